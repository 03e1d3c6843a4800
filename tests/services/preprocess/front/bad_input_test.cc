// Every way in which a request can be wrong, with the status, the field and the reason it gets
// (docs/errors.md), and that nobody else is harmed by it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>

#include "absl/strings/str_cat.h"
#include "grpcpp/generic/generic_stub.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tts::v1::SynthesisConfig;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

FrontFixture::Options SmallLimits() {
  FrontFixture::Options options;
  options.front.front.request = {.max_text_bytes = 1000,
                                 .max_reference_bytes = 200000,
                                 .max_reference_seconds = 1.0,
                                 .max_references = 2,
                                 .max_transcript_bytes = 100};
  return options;
}

struct BadConfig {
  std::string name;
  std::function<void(SynthesisConfig*)> spoil;
  std::string field;
  std::string says;  // part of the description
  std::string reason = "INVALID_FIELD";
};

void SetReference(SynthesisConfig* config, std::string audio) {
  config->add_references()->set_audio(std::move(audio));
}

std::vector<BadConfig> BadConfigs() {
  const auto sampling = [](auto set) {
    return [set](SynthesisConfig* config) { set(config->mutable_sampling()); };
  };
  using Sampling = tts::v1::SamplingConfig;
  return {
      {"unknown encoding",
       [](SynthesisConfig* c) {
         c->mutable_audio()->set_encoding(static_cast<tts::v1::AudioEncoding>(99));
       },
       "config.audio.encoding", "unknown encoding 99"},
      {"rate too low", [](SynthesisConfig* c) { c->mutable_audio()->set_sample_rate_hz(7999); },
       "config.audio.sample_rate_hz", "8000 to 48000"},
      {"rate too high", [](SynthesisConfig* c) { c->mutable_audio()->set_sample_rate_hz(48001); },
       "config.audio.sample_rate_hz", "8000 to 48000"},
      {"temperature below", sampling([](Sampling* s) { s->set_temperature(-0.1f); }),
       "config.sampling.temperature", "[0, 10]"},
      {"temperature above", sampling([](Sampling* s) { s->set_temperature(10.1f); }),
       "config.sampling.temperature", "[0, 10]"},
      {"temperature NaN", sampling([](Sampling* s) { s->set_temperature(kNan); }),
       "config.sampling.temperature", "nan"},
      {"top_p zero", sampling([](Sampling* s) { s->set_top_p(0); }), "config.sampling.top_p",
       "(0, 1]"},
      {"top_p NaN", sampling([](Sampling* s) { s->set_top_p(kNan); }), "config.sampling.top_p",
       "nan"},
      {"penalty too small", sampling([](Sampling* s) { s->set_repetition_penalty(0.05f); }),
       "config.sampling.repetition_penalty", "10]"},
      {"penalty infinite", sampling([](Sampling* s) { s->set_repetition_penalty(INFINITY); }),
       "config.sampling.repetition_penalty", "inf"},
      {"no frames", sampling([](Sampling* s) { s->set_max_frames(0); }),
       "config.sampling.max_frames", "1 to"},
      {"more frames than the context", sampling([](Sampling* s) { s->set_max_frames(kMaxSeqLen); }),
       "config.sampling.max_frames", "context"},
      {"residual sampling", sampling([](Sampling* s) {
         s->set_residual_sampling(static_cast<tts::v1::ResidualSampling>(9));
       }),
       "config.sampling.residual_sampling", "unknown value 9"},
      {"filter order",
       sampling([](Sampling* s) { s->set_filter_order(static_cast<tts::v1::FilterOrder>(9)); }),
       "config.sampling.filter_order", "unknown value 9"},
      {"ras rule", sampling([](Sampling* s) {
         s->mutable_ras()->set_rule(static_cast<tts::v1::RepetitionAwareSampling::Rule>(9));
       }),
       "config.sampling.ras.rule", "unknown rule 9"},
      {"ras window zero", sampling([](Sampling* s) { s->mutable_ras()->set_window(0); }),
       "config.sampling.ras.window", "1 to 64"},
      {"ras window large", sampling([](Sampling* s) { s->mutable_ras()->set_window(65); }),
       "config.sampling.ras.window", "1 to 64"},
      {"ras temperature zero", sampling([](Sampling* s) { s->mutable_ras()->set_temperature(0); }),
       "config.sampling.ras.temperature", "(0, 10]"},
      {"ras top_p NaN", sampling([](Sampling* s) { s->mutable_ras()->set_top_p(kNan); }),
       "config.sampling.ras.top_p", "(0, 1]"},
      {"chunk too short", [](SynthesisConfig* c) { c->set_chunk_length(99); },
       "config.chunk_length", "100 to 1000"},
      {"chunk too long", [](SynthesisConfig* c) { c->set_chunk_length(1001); },
       "config.chunk_length", "100 to 1000"},
      {"request id with a line break", [](SynthesisConfig* c) { c->set_request_id("a\nb"); },
       "config.request_id", "printable ASCII"},
      {"request id beyond ASCII", [](SynthesisConfig* c) { c->set_request_id("caf\xc3\xa9"); },
       "config.request_id", "printable ASCII"},
      {"request id too long", [](SynthesisConfig* c) { c->set_request_id(std::string(129, 'x')); },
       "config.request_id", "128 bytes"},
      {"too many references",
       [](SynthesisConfig* c) {
         for (int i = 0; i < 3; ++i) SetReference(c, ToneWav(0.1, kSampleRate));
       },
       "config.references", "at most 2"},
      {"empty recording", [](SynthesisConfig* c) { SetReference(c, ""); },
       "config.references[0].audio", "empty"},
      {"recording of too many bytes",
       [](SynthesisConfig* c) { SetReference(c, std::string(200001, 'x')); },
       "config.references[0].audio", "the limit is 200000"},
      {"transcript too long",
       [](SynthesisConfig* c) {
         SetReference(c, ToneWav(0.1, kSampleRate));
         c->mutable_references(0)->set_transcript(std::string(101, 'x'));
       },
       "config.references[0].transcript", "the limit is 100"},
      {"recording that is a text",
       [](SynthesisConfig* c) {
         SetReference(c, ToneWav(0.1, kSampleRate));
         SetReference(c, "hello");
       },
       "config.references[1].audio", "expected WAV, FLAC, OGG or MP3", "REFERENCE_UNUSABLE"},
      {"truncated recording",
       [](SynthesisConfig* c) { SetReference(c, ToneWav(0.1, kSampleRate).substr(0, 2000)); },
       "config.references[0].audio", "cut short", "REFERENCE_UNUSABLE"},
      {"recording of 0 s", [](SynthesisConfig* c) { SetReference(c, ToneWav(0.0, kSampleRate)); },
       "config.references[0].audio", "0 s", "REFERENCE_UNUSABLE"},
      {"recording too long", [](SynthesisConfig* c) { SetReference(c, ToneWav(1.1, kSampleRate)); },
       "config.references[0].audio", "limit of 1 s", "REFERENCE_UNUSABLE"},
  };
}

void ExpectRefused(const grpc::Status& status, const BadConfig& bad) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(ViolatedFields(status), ElementsAre(bad.field));
  EXPECT_THAT(status.error_message(), HasSubstr(bad.says));
  EXPECT_EQ(ErrorReason(status), bad.reason);
}

TEST(BadInput, EveryConfigIsRefusedByItsField) {
  FrontFixture front(SmallLimits());
  for (const BadConfig& bad : BadConfigs()) {
    SCOPED_TRACE(bad.name);
    SynthesisConfig config;
    bad.spoil(&config);
    ExpectRefused(Speak(front.stub(), config, {"Hello."}).status, bad);

    grpc::ClientContext context;
    tts::v1::SynthesizeRequest request;
    *request.mutable_config() = config;
    request.set_text("Hello.");
    tts::v1::SynthesizeResponse response;
    ExpectRefused(front.stub().Synthesize(&context, request, &response), bad);
  }
  EXPECT_TRUE(front.engine().requests().empty());
  EXPECT_TRUE(Speak(front.stub(), SynthesisConfig(), {"Hello."}).status.ok());
}

TEST(BadInput, AllWrongFieldsAreToldAtOnce) {
  FrontFixture front;
  SynthesisConfig config;
  config.mutable_audio()->set_sample_rate_hz(1);
  config.mutable_sampling()->set_top_p(2);
  config.set_chunk_length(5);
  EXPECT_THAT(
      ViolatedFields(Speak(front.stub(), config, {"Hello."}).status),
      ElementsAre("config.audio.sample_rate_hz", "config.sampling.top_p", "config.chunk_length"));
}

TEST(BadInput, TheOrderOfMessages) {
  FrontFixture front;
  const auto expect = [](SpeechCall& call, const std::string& field, const std::string& reason) {
    const grpc::Status status = Drain(call).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(ViolatedFields(status), ElementsAre(field));
    EXPECT_EQ(ErrorReason(status), reason);
  };
  {
    SpeechCall call(front.stub());
    call.Text("Hello.");
    expect(call, "config", "CONFIG_MISSING");
  }
  {
    SpeechCall call(front.stub());
    call.Flush("x");
    expect(call, "config", "CONFIG_MISSING");
  }
  {
    SpeechCall call(front.stub());
    call.EndOfText();
    expect(call, "config", "CONFIG_MISSING");
  }
  {
    SpeechCall call(front.stub());
    call.Configure(SynthesisConfig());
    call.Configure(SynthesisConfig());
    expect(call, "config", "CONFIG_REPEATED");
  }
  {
    SpeechCall call(front.stub());
    call.Configure(SynthesisConfig());
    call.Flush(std::string(129, 'x'));
    expect(call, "flush.id", "INVALID_FIELD");
  }
  {
    grpc::ClientContext context;
    const auto stream = front.stub().StreamingSynthesize(&context);
    stream->Write(tts::v1::StreamingSynthesizeRequest());  // neither config, text nor flush
    tts::v1::StreamingSynthesizeResponse response;
    EXPECT_FALSE(stream->Read(&response));
    const grpc::Status status = stream->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolatedFields(status), ElementsAre("request"));
  }
}

TEST(BadInput, TextThatIsEmptyOrTooLong) {
  FrontFixture front(SmallLimits());
  for (const std::vector<std::string>& pieces :
       std::vector<std::vector<std::string>>{{}, {""}, {" \n\t "}, {"", " ", ""}}) {
    const grpc::Status status = Speak(front.stub(), SynthesisConfig(), pieces).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolatedFields(status), ElementsAre("text"));
    EXPECT_EQ(ErrorReason(status), "TEXT_EMPTY");
  }
  EXPECT_TRUE(Speak(front.stub(), SynthesisConfig(), {std::string(1000, 'a')}).status.ok());
  for (const std::vector<std::string>& pieces : std::vector<std::vector<std::string>>{
           {std::string(1001, 'a')}, {std::string(600, 'a'), std::string(401, 'a')}}) {
    const grpc::Status status = Speak(front.stub(), SynthesisConfig(), pieces).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(ViolatedFields(status), ElementsAre("text"));
    EXPECT_THAT(status.error_message(), HasSubstr("the limit is 1000"));
    EXPECT_EQ(ErrorReason(status), "TEXT_TOO_LONG");
  }
}

// A client library refuses to send these, so they go out as bytes.
class RawCall {
 public:
  explicit RawCall(const std::string& address)
      : stub_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())) {}

  grpc::Status Send(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const auto stream = stub_.PrepareCall(
        &context, "/shoal.tts.v1.TextToSpeechService/StreamingSynthesize", &queue);
    const auto step = [&](auto start) {
      start();
      void* tag = nullptr;
      bool ok = false;
      queue.Next(&tag, &ok);
    };
    grpc::Status status;
    step([&] { stream->StartCall(nullptr); });
    step([&] { stream->Write(request, nullptr); });
    step([&] { stream->Finish(&status, nullptr); });
    return status;
  }

 private:
  grpc::GenericStub stub_;
};

TEST(BadInput, InvalidUtf8IsRefusedByItsField) {
  FrontFixture front;
  RawCall raw(front.server().address());
  const std::string bad = "ab\xff\xfe";
  const auto field = [](int number, const std::string& bytes) {
    return std::string(1, static_cast<char>(number << 3 | 2)) +
           std::string(1, static_cast<char>(bytes.size())) + bytes;
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {field(2, bad), "text"},
      {field(3, field(1, bad)), "flush.id"},
      {field(1, field(5, bad)), "config.request_id"},
      {field(1, field(1, field(2, "fine")) + field(1, field(2, bad))),
       "config.references[1].transcript"},
  };
  for (const auto& [bytes, name] : cases) {
    const grpc::Status status = raw.Send(bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_THAT(ViolatedFields(status), ElementsAre(name));
    EXPECT_EQ(ErrorReason(status), "TEXT_NOT_UTF8");
  }
}

TEST(BadInput, BytesThatAreNoMessageAreRefused) {
  FrontFixture front;
  RawCall raw(front.server().address());
  for (const std::string bytes : {"\x0a\xff", "\xff\xff\xff\xff",
                                  "\x12\x7f"
                                  "abc"}) {
    const grpc::Status status = raw.Send(bytes);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ErrorReason(status), "MALFORMED_MESSAGE");
  }
  EXPECT_TRUE(Speak(front.stub(), SynthesisConfig(), {"Hello."}).status.ok());
}

TEST(BadInput, ATurnThatCanNeverFitIsRefused) {
  FrontFixture front;
  SynthesisConfig config;
  config.mutable_sampling()->set_max_frames(kMaxSeqLen - 10);
  const grpc::Status frames = Speak(front.stub(), config, {"Hello."}).status;
  EXPECT_EQ(frames.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolatedFields(frames), ElementsAre("config.sampling.max_frames"));
  EXPECT_EQ(ErrorReason(frames), "CONTEXT_TOO_LONG");

  // 50 frames a second: two recordings of 45 s fill the context of 4096.
  config.Clear();
  for (int i = 0; i < 2; ++i) config.add_references()->set_audio(ToneWav(45.0 + i, 8000));
  const grpc::Status references = Speak(front.stub(), config, {"Hello."}).status;
  EXPECT_EQ(references.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolatedFields(references), ElementsAre("config.references"));
  EXPECT_EQ(ErrorReason(references), "CONTEXT_TOO_LONG");
}

TEST(BadInput, HarmsNobodyElse) {
  FrontFixture front(SmallLimits());
  std::atomic<bool> stop = false;
  std::thread bad([&] {
    const auto stub = Connect(front.server().address());
    const std::vector<BadConfig> configs = BadConfigs();
    for (size_t i = 0; !stop; i = (i + 1) % configs.size()) {
      SynthesisConfig config;
      configs[i].spoil(&config);
      EXPECT_FALSE(Speak(*stub, config, {"Hello."}).status.ok()) << configs[i].name;
    }
  });
  for (int i = 0; i < 30; ++i) {
    SynthesisConfig config;
    config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
    const Speech speech = Speak(front.stub(), config, {"Hello."});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
    EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 3));
  }
  stop = true;
  bad.join();
}

}  // namespace
}  // namespace shoal::testing
