#include "common/transport/message_check.h"

#include <functional>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/transport/sample_messages.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace v1 = pipeline::v1;

constexpr ModelShape kModel = {.num_codebooks = 4, .frame_length = 8};

TEST(MessageCheckTest, SamplesPass) {
  for (const Message& message : AllSamples()) {
    EXPECT_TRUE(CheckMessage(message, kModel).ok()) << CheckMessage(message, kModel);
    EXPECT_TRUE(CheckMessage(message, {}).ok()) << CheckMessage(message, {});
  }
}

TEST(MessageCheckTest, TheLastFrameMayBeEmptyOrAbsent) {
  Message frame = SampleFrame(0, 4);
  EXPECT_FALSE(CheckMessage(frame, kModel).ok());
  frame.envelope.mutable_frame()->set_last(true);
  EXPECT_TRUE(CheckMessage(frame, kModel).ok());
  frame.parts.clear();
  frame.envelope.mutable_frame()->clear_codes();
  EXPECT_TRUE(CheckMessage(frame, kModel).ok());
  Message audio = SampleAudio(0, 4, 8);
  EXPECT_FALSE(CheckMessage(audio, kModel).ok());
  audio.envelope.mutable_audio()->set_last(true);
  EXPECT_TRUE(CheckMessage(audio, kModel).ok());
  audio.parts.clear();
  audio.envelope.mutable_audio()->clear_codes();
  audio.envelope.mutable_audio()->clear_pcm();
  EXPECT_TRUE(CheckMessage(audio, kModel).ok());
}

struct WrongCase {
  Message message;
  std::function<void(Message&)> spoil;
  const char* error;  // how it begins
};

TEST(MessageCheckTest, NamesTheFieldThatIsWrong) {
  const auto generate = [](Message& m) { return m.envelope.mutable_submit()->mutable_generate(); };
  const auto replay = [](Message& m) {
    return m.envelope.mutable_submit()->mutable_decode()->mutable_replay();
  };
  const WrongCase cases[] = {
      {SampleCancel(), [](Message& m) { m.envelope.clear_body(); }, "body: "},
      {SampleCancel(), [](Message& m) { m.envelope.mutable_cancel()->clear_stream(); },
       "cancel.stream: is not set"},
      {SampleCancel(), [](Message& m) { m.parts.emplace_back("x"); },
       "parts: expected 0 for this body, got 1"},
      {SampleHello(), [](Message& m) { m.envelope.mutable_hello()->clear_stage(); },
       "hello.stage: "},
      {SampleHello(), [](Message& m) { m.envelope.mutable_hello()->clear_inbox(); },
       "hello.inbox: "},
      {SampleHelloAck(), [](Message& m) { m.envelope.mutable_hello_ack()->clear_self(); },
       "hello_ack.self.stage: "},
      {SampleGenerate(4, 9), [](Message& m) { m.envelope.mutable_submit()->clear_stream(); },
       "submit.stream: "},
      {SampleGenerate(4, 9), [](Message& m) { m.envelope.mutable_submit()->clear_priority(); },
       "submit.priority: "},
      {SampleGenerate(4, 9), [](Message& m) { m.envelope.mutable_submit()->clear_work(); },
       "submit.work: "},
      {SampleGenerate(3, 9), [](Message&) {},
       "submit.generate.codes: expected shape (4, 9) INT32, got (3, 9) INT32"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->mutable_token_ids()->set_shape(0, 8); },
       "submit.generate.token_ids: expected INT32 (L) in its part, which has 36 bytes"},
      {SampleGenerate(4, 9),
       [&](Message& m) {
         m.parts[0].resize(32);
         generate(m)->mutable_token_ids()->set_shape(0, 8);
       },
       "submit.generate.codes: expected shape (4, 8) INT32, got (4, 9) INT32"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->clear_token_ids(); },
       "submit.generate.token_ids: expected shape (L) INT32, got () DTYPE_UNSPECIFIED"},
      {SampleGenerate(4, 0), [](Message&) {}, "submit.generate.token_ids: the prompt is empty"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->mutable_codes()->set_part(0); },
       "submit.generate.codes: expected INT32"},
      {SampleGenerate(1, 9), [&](Message& m) { generate(m)->mutable_codes()->set_part(0); },
       "submit.generate.codes: expected shape (4, 9)"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->mutable_codes()->set_part(2); },
       "submit.generate.codes: its bytes are in no part"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->mutable_codes()->mutable_slab(); },
       "submit.generate.codes: is in shared memory"},
      {SampleGenerate(4, 9), [&](Message& m) { m.parts.pop_back(); },
       "submit.generate.codes: its bytes are in no part"},
      {SampleGenerate(4, 9),
       [&](Message& m) { generate(m)->mutable_codes()->set_dtype(v1::FLOAT32); },
       "submit.generate.codes: expected shape (4, 9) INT32, got (4, 9) FLOAT32"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->set_prompt_length(10); },
       "submit.generate.prompt_length: expected 1 to 9, got 10"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->set_prompt_length(0); },
       "submit.generate.prompt_length: "},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->set_pinned_length(10); },
       "submit.generate.pinned_length: expected 0 to 9, got 10"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->set_frame_ms(0); },
       "submit.generate.frame_ms: is not set"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->set_buffered_ms(-1); },
       "submit.generate.buffered_ms: expected a finite number >= 0, got -1"},
      {SampleDecode(3, 4), [&](Message& m) { replay(m)->set_position(2); },
       "submit.decode.replay.position: expected at least the 3 frames of codes, got 2"},
      {SampleDecode(3, 4), [&](Message& m) { replay(m)->set_frame(4); },
       "submit.decode.replay.position: expected at least frame 4 of the turn, got 3"},
      {SampleDecode(3, 5), [](Message&) {},
       "submit.decode.replay.codes: expected shape (n, 4) INT32, got (3, 5) INT32"},
      {SampleAudioCredit(),
       [](Message& m) {
         m.envelope.mutable_audio_credit()->set_buffered_ms(
             std::numeric_limits<double>::infinity());
       },
       "audio_credit.buffered_ms: expected a finite number"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->clear_sampling(); },
       "submit.generate.sampling: is not set"},
      {SampleGenerate(4, 9),
       [&](Message& m) {
         generate(m)->mutable_sampling()->set_temperature(std::numeric_limits<float>::quiet_NaN());
       },
       "submit.generate.sampling.temperature: expected a finite number"},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->mutable_sampling()->set_top_p(-1); },
       "submit.generate.sampling.top_p: "},
      {SampleGenerate(4, 9),
       [&](Message& m) {
         generate(m)->mutable_sampling()->mutable_ras()->set_rule(static_cast<v1::Ras::Rule>(9));
       },
       "submit.generate.sampling.ras.rule: "},
      {SampleGenerate(4, 9), [&](Message& m) { generate(m)->clear_vocoder(); },
       "submit.generate.vocoder.inbox: "},
      {SampleFrame(1, 4), [](Message& m) { m.envelope.mutable_frame()->clear_stream(); },
       "frame.stream: "},
      {SampleFrame(1, 5), [](Message&) {},
       "frame.codes: expected shape (n, 4) INT32, got (1, 5) INT32"},
      {SampleFrame(2, 4), [](Message& m) { m.envelope.mutable_frame()->set_frame(0xfffffffe); },
       "frame.frame: frame + n does not fit 32 bits"},
      {SampleFrame(1, 4),
       [](Message& m) {
         for (int i = 0; i < 5; ++i) m.envelope.mutable_frame()->mutable_codes()->add_shape(1);
       },
       "frame.codes: expected shape (n, 4) INT32, got 7 dimensions"},
      {SampleAudio(2, 4, 7), [](Message&) {},
       "audio.pcm: expected 16 samples for 2 frames, got 14"},
      {SampleAudio(2, 4, 8), [](Message& m) { m.envelope.mutable_audio()->clear_pcm(); },
       "audio.pcm: expected shape (n * frame_length) FLOAT32"},
      {SampleAudio(2, 4, 8),
       [](Message& m) {
         m.envelope.mutable_audio()->set_first_sample(std::numeric_limits<uint64_t>::max());
       },
       "audio.first_sample: "},
      {SampleAudio(2, 4, 8), [](Message& m) { std::swap(m.parts[0], m.parts[1]); },
       "audio.pcm: expected FLOAT32 (n * frame_length) in its part, which has 32 bytes"},
      {SampleFinished(), [](Message& m) { m.envelope.mutable_event()->clear_kind(); },
       "event.kind: "},
      {SampleFinished(),
       [](Message& m) { m.envelope.mutable_event()->mutable_finished()->clear_reason(); },
       "event.finished.reason: "},
      {SampleFinished(),
       [](Message& m) { m.envelope.mutable_event()->mutable_finished()->set_queue_seconds(-0.5); },
       "event.finished.queue_seconds: expected a finite number >= 0, got -0.5"},
      {SampleFailed(),
       [](Message& m) { m.envelope.mutable_event()->mutable_failed()->set_code(0); },
       "event.failed.code: expected 1 to 16, got 0"},
      {SampleHeartbeat(),
       [](Message& m) {
         m.envelope.mutable_heartbeat()->set_step_bound_seconds(
             std::numeric_limits<double>::infinity());
       },
       "heartbeat.step_bound_seconds: "},
  };
  for (const WrongCase& c : cases) {
    Message message = c.message;
    c.spoil(message);
    const absl::Status status = CheckMessage(message, kModel);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.error;
    EXPECT_THAT(std::string(status.message()), StartsWith(c.error));
  }
}

TEST(MessageCheckTest, UnknownModelChecksOnlyWhatAgreesWithItself) {
  EXPECT_TRUE(CheckMessage(SampleGenerate(3, 9), {}).ok());
  EXPECT_TRUE(CheckMessage(SampleAudio(2, 7, 5), {}).ok());
}

}  // namespace
}  // namespace shoal::transport
