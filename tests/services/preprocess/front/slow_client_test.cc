// What the stages are told of a client, and what becomes of one that does not read: its own stream
// pauses, holding a bounded amount of audio, and goes on where it stopped.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::testing {
namespace {

using tts::v1::SynthesisConfig;

constexpr int64_t kFrameBytes = kFrameLength * sizeof(float);
constexpr int64_t kFramesThatMayWait = 256;
// More than gRPC takes in on its own for a client that does not read.
constexpr uint32_t kLongTurn = 16000;

SynthesisConfig Float32Config() {
  SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  return config;
}

FrontFixture::Options Bounded(uint32_t frames) {
  FrontFixture::Options options;
  options.engines[0].frames = frames;
  options.engines[0].frames_per_message = 16;
  options.front.front.session.max_waiting_audio_bytes = kFramesThatMayWait * kFrameBytes;
  options.front.front.session.client_stall = absl::Hours(1);
  options.front.front.router.credit_interval = absl::Milliseconds(5);
  return options;
}

// Waits until `condition` holds, for half a minute at most.
void AwaitThat(const std::function<bool()>& condition, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << what;
    std::this_thread::yield();
  }
}

TEST(Submit, SaysWhatTheEngineSchedulesBy) {
  FrontFixture::Options options = Bounded(3);
  FrontFixture front(options);
  SynthesisConfig config = Float32Config();
  config.add_references()->set_audio(ToneWav(0.2, kSampleRate));
  ASSERT_TRUE(Speak(front.stub(), config, {"Hello."}).status.ok());
  const FakeEngine::Request request = front.engine().requests().at(0);
  const pipeline::v1::Generate& generate = request.generate;
  EXPECT_EQ(request.priority, pipeline::v1::PLAYBACK);
  EXPECT_EQ(generate.frame_ms(), 20);
  EXPECT_EQ(generate.buffered_ms(), 0);
  EXPECT_EQ(generate.credit_frames(), kFramesThatMayWait);
  EXPECT_EQ(generate.runaway_frames(), (6 * 0.5 + 5) / 0.02);
  // The client's own deadline, a minute, is further away than the flag's 30 s.
  EXPECT_GT(generate.wait_limit_ms(), 0);
  EXPECT_LE(generate.wait_limit_ms(), 30000);
  // The system message with the voice is pinned, the turn is not.
  ASSERT_GT(generate.pinned_length(), 10u);
  ASSERT_LT(generate.pinned_length(), generate.prompt_length());
  ASSERT_TRUE(Speak(front.stub(), config, {"What else is there?"}).status.ok());
  const FakeEngine::Request other = front.engine().requests().at(1);
  EXPECT_EQ(other.generate.pinned_length(), generate.pinned_length());
  for (uint32_t i = 0; i < generate.pinned_length(); ++i) {
    ASSERT_EQ(request.token_ids[i], other.token_ids[i]) << i;
  }
  EXPECT_NE(request.token_ids, other.token_ids);
}

TEST(Submit, AClientsDeadlineLimitsTheWait) {
  FrontFixture front(Bounded(3));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  tts::v1::SynthesizeRequest request;
  request.set_text("Hello.");
  tts::v1::SynthesizeResponse response;
  ASSERT_TRUE(front.stub().Synthesize(&context, request, &response).ok());
  const pipeline::v1::Generate generate = front.engine().requests().at(0).generate;
  EXPECT_GT(generate.wait_limit_ms(), 0);
  EXPECT_LE(generate.wait_limit_ms(), 21000);  // gRPC rounds timeouts up
}

TEST(Submit, NobodyListensToAWholeFileWhileItIsMade) {
  FrontFixture front(Bounded(3 * kFramesThatMayWait));
  grpc::ClientContext context;
  tts::v1::SynthesizeRequest request;
  request.set_text("Hello.");
  tts::v1::SynthesizeResponse response;
  const grpc::Status status = front.stub().Synthesize(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(front.engine().requests().at(0).priority, pipeline::v1::WHOLE_FILE);
  EXPECT_EQ(front.engine().requests().at(0).generate.credit_frames(), 0u);
  EXPECT_EQ(front.engine().requests().at(0).generate.wait_limit_ms(), 0) << "it set no deadline";
  EXPECT_TRUE(front.engine().credits().empty());
}

TEST(Submit, ALaterTurnSaysWhatTheClientHasUnplayed) {
  FrontFixture::Options options = Bounded(kFramesThatMayWait / 2);
  options.front.front.session.max_waiting_audio_bytes = 1 << 30;
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  for (int i = 0; i < 100; ++i) {
    call.Text("Hello.");
    call.Flush("");
  }
  call.EndOfText();
  const Speech speech = Drain(call);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  // Four minutes of audio, of which little can have been played.
  const pipeline::v1::Generate last = front.engine().requests().back().generate;
  EXPECT_GT(last.buffered_ms(), 0);
  EXPECT_LT(last.buffered_ms(), 100 * 20.0 * kFramesThatMayWait / 2);
  EXPECT_EQ(last.wait_limit_ms(), 0) << "what has begun to speak waits as long as it must";
}

TEST(Credit, FollowsWhatTheClientTakes) {
  FrontFixture front(Bounded(10 * kFramesThatMayWait));
  const Speech speech = Speak(front.stub(), Float32Config(), {"Hello."});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 10 * kFramesThatMayWait));
  uint32_t frames = 0;
  const std::vector<pipeline::v1::AudioCredit> credits = front.engine().credits();
  ASSERT_FALSE(credits.empty());
  for (const pipeline::v1::AudioCredit& credit : credits) {
    EXPECT_EQ(credit.turn(), 0u);
    EXPECT_GE(credit.frames(), frames) << "a credit is never taken back";
    EXPECT_LE(credit.frames(), credit.next_frame() + kFramesThatMayWait);
    EXPECT_LE(credit.buffered_ms(), 20.0 * credit.next_frame());
    frames = credit.frames();
  }
}

TEST(SlowClient, PausesItsOwnStreamAloneAndGoesOnExactly) {
  FrontFixture front(Bounded(kLongTurn));
  SpeechCall slow(front.stub());
  slow.Configure(Float32Config());
  slow.Text("Hello.");
  slow.EndOfText();
  // It reads nothing: its credit stops growing, told over and over.
  AwaitThat(
      [&] {
        const auto credits = front.engine().credits();
        return credits.size() > 40 &&
               credits.back().frames() == credits[credits.size() - 40].frames();
      },
      "a credit that grows no more");
  const uint32_t paused_at = front.engine().credits().back().frames();
  ASSERT_LT(paused_at, kLongTurn) << "the client's connection took everything in";
  EXPECT_TRUE(front.engine().AwaitPaused(paused_at));
  const double waiting = std::stod(front.Metric("shoal_audio_waiting_bytes"));
  EXPECT_GT(waiting, 0);
  EXPECT_LE(waiting, static_cast<double>(kFramesThatMayWait * kFrameBytes));

  // Others never feel it.
  for (int i = 0; i < 3; ++i) {
    const Speech other = Speak(front.stub(), Float32Config(), {"Hello."});
    ASSERT_TRUE(other.status.ok()) << other.status.error_message();
    EXPECT_EQ(other.Float32(), ExpectedAudio(1, kLongTurn));
  }
  EXPECT_EQ(front.engine().cancelled(), 0u) << "the slow client's turn is still there";

  const Speech speech = Drain(slow);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, kLongTurn));
  AwaitThat([&] { return front.Metric("shoal_audio_waiting_bytes") == "0"; }, "nothing waits");
}

TEST(SlowClient, OwesTheAnswerItselfWhileTheStagesArePaused) {
  FrontFixture::Options options = Bounded(kLongTurn);
  options.front.front.router.stage_silence = absl::Milliseconds(300);
  FrontFixture front(options);
  SpeechCall slow(front.stub());
  slow.Configure(Float32Config());
  slow.Text("Hello.");
  slow.EndOfText();
  // The last credit is told for much longer than a stage may be silent.
  AwaitThat(
      [&] {
        const auto credits = front.engine().credits();
        return credits.size() > 200 &&
               credits.back().frames() == credits[credits.size() - 200].frames();
      },
      "a paused stream");
  const Speech speech = Drain(slow);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, kLongTurn));
}

TEST(SlowClient, IsGivenUpPastTheStallLimit) {
  FrontFixture::Options options = Bounded(kLongTurn);
  options.front.front.session.client_stall = absl::Milliseconds(100);
  FrontFixture front(options);
  SpeechCall slow(front.stub());
  slow.Configure(Float32Config());
  slow.Text("Hello.");
  slow.EndOfText();
  EXPECT_TRUE(front.engine().AwaitCancelled(1));
  const Speech speech = Drain(slow);
  EXPECT_EQ(speech.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(ErrorReason(speech.status), "CLIENT_TOO_SLOW");
  AwaitThat([&] { return front.Metric("shoal_audio_waiting_bytes") == "0"; }, "nothing waits");
}

TEST(Runaway, IsToldAndLeavesNoHistory) {
  FrontFixture::Options options = Bounded(3);
  options.engines[0].finish = pipeline::v1::RUNAWAY;
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  call.Text("First.");
  call.Flush("");
  call.Text("Second.");
  call.EndOfText();
  const Speech speech = Drain(call);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  ASSERT_EQ(speech.done.turns_size(), 2);
  EXPECT_EQ(speech.done.turns(0).finish_reason(), tts::v1::FINISH_RUNAWAY);
  EXPECT_EQ(speech.done.turns(0).frames(), 3u);
  EXPECT_EQ(speech.Float32(), ExpectedAudio(2, 3)) << "what was heard was heard";
  EXPECT_THAT(speech.warnings, ::testing::ElementsAre("RUNAWAY", "RUNAWAY"));
  EXPECT_EQ(front.Metric("shoal_turns_suspect_total{kind=\"runaway\"}"), "2");
  EXPECT_EQ(front.engine().requests().at(1).token_ids,
            front.builder().Build({}, {}, "Second.")->token_ids);
}

TEST(TooShort, IsToldAndCounted) {
  FrontFixture front(Bounded(3));  // 0.06 s
  const Speech lost =
      Speak(front.stub(), Float32Config(), {"Most of this sentence has got lost somewhere."});
  ASSERT_TRUE(lost.status.ok()) << lost.status.error_message();
  EXPECT_THAT(lost.warnings, ::testing::ElementsAre("AUDIO_TOO_SHORT"));
  EXPECT_EQ(lost.done.turns(0).finish_reason(), tts::v1::FINISH_STOP);
  EXPECT_THAT(Speak(front.stub(), Float32Config(), {"Hello."}).warnings, ::testing::IsEmpty());
  EXPECT_EQ(front.Metric("shoal_turns_suspect_total{kind=\"too_short\"}"), "1");
  EXPECT_EQ(front.Metric("shoal_turns_suspect_total{kind=\"runaway\"}"), "0");
}

TEST(TooShort, AFrameLimitIsNoFault) {
  FrontFixture::Options options = Bounded(3);
  options.engines[0].finish = pipeline::v1::MAX_FRAMES;
  FrontFixture front(options);
  EXPECT_THAT(
      Speak(front.stub(), Float32Config(), {"Most of this sentence was never asked to be spoken."})
          .warnings,
      ::testing::IsEmpty());
}

}  // namespace
}  // namespace shoal::testing
