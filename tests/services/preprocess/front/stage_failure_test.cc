// What a client is told when stages die, lie, repeat themselves, lose frames or are full, and when
// the client itself goes away or falls behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::testing {
namespace {

using ::testing::HasSubstr;
using tts::v1::SynthesisConfig;

SynthesisConfig Float32Config() {
  SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  return config;
}

void ExpectStatus(const grpc::Status& status, grpc::StatusCode code, const std::string& reason) {
  EXPECT_EQ(status.error_code(), code) << status.error_message();
  EXPECT_EQ(ErrorReason(status), reason) << status.error_message();
}

// A call that has a turn running at an engine that will never finish it.
struct HeldCall {
  explicit HeldCall(FrontFixture& front) : call(front.stub()) {
    call.Configure(Float32Config());
    call.Text("Hello.");
    call.EndOfText();
    EXPECT_TRUE(front.engine().AwaitRequests(1));
  }
  // Reads until audio came.
  void AwaitAudio() {
    for (auto response = call.Next(); response; response = call.Next()) {
      if (response->has_audio()) return;
    }
    ADD_FAILURE() << "no audio";
  }
  SpeechCall call;
};

TEST(ClientGone, BothStagesAreToldToCancel) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  FrontFixture front(options);
  HeldCall held(front);
  held.AwaitAudio();
  held.call.Cancel();
  EXPECT_TRUE(front.engine().AwaitCancelled(1));
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
  ExpectStatus(Drain(held.call).status, grpc::StatusCode::CANCELLED, "");
  EXPECT_EQ(front.vocoder().open_streams(), 0u);
}

TEST(ClientGone, WhileItsRecordingIsBeingEncoded) {
  FrontFixture front;
  front.encoder().Hold();
  SpeechCall call(front.stub());
  SynthesisConfig config;
  config.add_references()->set_audio(ToneWav(0.2, kSampleRate));
  call.Configure(config);
  call.Text("Hello.");
  front.encoder().AwaitHeld();
  call.Cancel();
  ExpectStatus(Drain(call).status, grpc::StatusCode::CANCELLED, "");
  front.encoder().Release();
  EXPECT_TRUE(Speak(front.stub(), config, {"Hello."}).status.ok());
}

TEST(StageLost, TheEngineBeforeTheFirstAudio) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 0;
  FrontFixture front(options);
  HeldCall held(front);
  front.engine().Kill();
  const Speech speech = Drain(held.call);
  ExpectStatus(speech.status, grpc::StatusCode::UNAVAILABLE, "ENGINE_LOST");
  EXPECT_THAT(speech.status.error_message(), HasSubstr("a retry is safe"));
  EXPECT_GT(RetryDelay(speech.status), 0);
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
}

TEST(StageLost, TheEngineAfterSomeAudio) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 2;
  FrontFixture front(options);
  HeldCall held(front);
  held.AwaitAudio();
  front.engine().Kill();
  const Speech speech = Drain(held.call);
  ExpectStatus(speech.status, grpc::StatusCode::UNAVAILABLE, "ENGINE_LOST");
  EXPECT_THAT(speech.status.error_message(), HasSubstr("audio had been sent"));
}

TEST(StageLost, TheVocoder) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  FrontFixture front(options);
  HeldCall held(front);
  held.AwaitAudio();
  front.vocoder().Kill();
  ExpectStatus(Drain(held.call).status, grpc::StatusCode::UNAVAILABLE, "VOCODER_LOST");
  EXPECT_TRUE(front.engine().AwaitCancelled(1));
}

TEST(StageLost, OthersGoOn) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;  // the least used engine is the first in order, either one
  options.engines.push_back(options.engines[0]);
  FrontFixture front(options);
  SpeechCall first(front.stub()), second(front.stub());
  for (SpeechCall* call : {&first, &second}) {
    call->Configure(Float32Config());
    call->Text("Hello.");
    call->EndOfText();
  }
  // One turn each: load is spread.
  ASSERT_TRUE(front.engine(0).AwaitRequests(1));
  ASSERT_TRUE(front.engine(1).AwaitRequests(1));
  front.engine(0).Kill();
  front.engine(1).Kill();
  ExpectStatus(Drain(first).status, grpc::StatusCode::UNAVAILABLE, "ENGINE_LOST");
  ExpectStatus(Drain(second).status, grpc::StatusCode::UNAVAILABLE, "ENGINE_LOST");
}

TEST(StageSilent, IsNotWaitedForForever) {
  FrontFixture::Options options;
  options.vocoders[0].silent = true;
  options.front.front.router.stage_silence = absl::Milliseconds(50);
  FrontFixture front(options);
  const Speech speech = Speak(front.stub(), Float32Config(), {"Hello."});
  ExpectStatus(speech.status, grpc::StatusCode::UNAVAILABLE, "STAGE_SILENT");
  EXPECT_THAT(speech.status.error_message(), HasSubstr("the vocoder has not answered"));
}

// Audio in whatever order: each test rearranges a turn of five frames and an end.
Speech SpeakRearranged(std::function<void(std::vector<transport::Message>*)> rearrange,
                       int frame_count_error = 0) {
  FrontFixture::Options options;
  options.engines[0].frames = 5;
  options.engines[0].frame_count_error = frame_count_error;
  options.vocoders[0].rearrange = std::move(rearrange);
  options.front.front.router.gap = absl::Milliseconds(50);
  options.front.front.router.stage_silence = absl::Milliseconds(500);
  FrontFixture front(options);
  return Speak(front.stub(), Float32Config(), {"Hello."});
}

TEST(AudioOrder, LateFramesArePutInOrder) {
  const Speech speech = SpeakRearranged(
      [](std::vector<transport::Message>* turn) { std::reverse(turn->begin(), turn->end()); });
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 5));
}

TEST(AudioOrder, RepeatsAreDropped) {
  const Speech speech = SpeakRearranged([](std::vector<transport::Message>* turn) {
    std::vector<transport::Message> doubled;
    for (const transport::Message& message : *turn) {
      doubled.push_back(message);
      doubled.push_back(turn->front());
      doubled.push_back(message);
    }
    *turn = std::move(doubled);
  });
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 5));
}

TEST(AudioOrder, OtherTurnsAndAttemptsAreDropped) {
  const Speech speech = SpeakRearranged([](std::vector<transport::Message>* turn) {
    transport::Message other_turn = turn->front(), other_attempt = turn->front();
    other_turn.envelope.mutable_audio()->set_turn(1);
    other_attempt.envelope.mutable_audio()->set_attempt(7);
    turn->insert(turn->begin(), {other_turn, other_attempt});
  });
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 5));
}

TEST(AudioOrder, AGapIsDataLoss) {
  const Speech speech = SpeakRearranged(
      [](std::vector<transport::Message>* turn) { turn->erase(turn->begin() + 2); });
  ExpectStatus(speech.status, grpc::StatusCode::DATA_LOSS, "FRAMES_LOST");
  EXPECT_THAT(speech.status.error_message(), HasSubstr("frame 2"));
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 2));
}

TEST(AudioOrder, AMissingEndIsNotAnEnd) {
  const Speech speech =
      SpeakRearranged([](std::vector<transport::Message>* turn) { turn->pop_back(); });
  ExpectStatus(speech.status, grpc::StatusCode::UNAVAILABLE, "STAGE_SILENT");
}

TEST(AudioOrder, BothStagesMustCountTheSame) {
  const auto as_it_is = [](std::vector<transport::Message>*) {};
  ExpectStatus(SpeakRearranged(as_it_is, 1).status, grpc::StatusCode::DATA_LOSS, "FRAMES_LOST");
  ExpectStatus(SpeakRearranged(as_it_is, -1).status, grpc::StatusCode::DATA_LOSS, "FRAMES_LOST");
}

TEST(AudioOrder, ATurnThatTheEngineBrokeOffIsNoTurn) {
  FrontFixture::Options options;
  options.engines[0].finish = pipeline::v1::CANCELLED;
  FrontFixture front(options);
  ExpectStatus(Speak(front.stub(), Float32Config(), {"Hello."}).status, grpc::StatusCode::INTERNAL,
               "STAGE_FAILED");
}

TEST(Capacity, AFullVocoderIsToldBeforeAnyAudio) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  options.vocoders[0].streams = 1;
  FrontFixture front(options);
  HeldCall held(front);
  held.AwaitAudio();
  const Speech refused = Speak(front.stub(), Float32Config(), {"Hello."});
  ExpectStatus(refused.status, grpc::StatusCode::RESOURCE_EXHAUSTED, "STAGES_BUSY");
  EXPECT_GT(RetryDelay(refused.status), 0);
  EXPECT_TRUE(refused.audio.empty());
}

TEST(Capacity, ARefusalByTheStageItselfIsPassedOn) {
  FrontFixture::Options options;
  options.vocoders[0].refuse = true;
  FrontFixture vocoder_full(options);
  const Speech by_vocoder = Speak(vocoder_full.stub(), Float32Config(), {"Hello."});
  ExpectStatus(by_vocoder.status, grpc::StatusCode::RESOURCE_EXHAUSTED, "VOCODER_FULL");
  EXPECT_GT(RetryDelay(by_vocoder.status), 0);

  options = FrontFixture::Options();
  options.engines[0].refuse = true;
  options.engines[0].retry_after_seconds = 7.25;
  FrontFixture engine_full(options);
  const Speech by_engine = Speak(engine_full.stub(), Float32Config(), {"Hello."});
  ExpectStatus(by_engine.status, grpc::StatusCode::RESOURCE_EXHAUSTED, "ENGINE_FULL");
  EXPECT_EQ(RetryDelay(by_engine.status), 7.25) << "the engine knows best";
  EXPECT_TRUE(engine_full.vocoder().AwaitCancelled(1));
}

TEST(Capacity, AnotherPeerTakesWhatOneRefused) {
  FrontFixture::Options options;
  options.vocoders = {FakeVocoder::Options{.refuse = true}, FakeVocoder::Options{}};
  options.engines = {FakeEngine::Options{.refuse = true}, FakeEngine::Options{}};
  FrontFixture front(options);
  for (int i = 0; i < 4; ++i) {
    const Speech speech = Speak(front.stub(), Float32Config(), {"Hello."});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
  }
}

TEST(Capacity, ALaterTurnWaitsForAFullEngine) {
  FrontFixture::Options options;
  options.engines[0].refuse_first = 3;
  options.front.front.router.retry_after = absl::Milliseconds(10);
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  call.Text("First.");
  call.Flush("1");
  call.Text("Second.");
  call.EndOfText();
  const Speech speech = Drain(call);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(2, 3));
}

TEST(Capacity, NoMoreCallsThanAllowed) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  options.front.front.max_streams = 1;
  FrontFixture front(options);
  HeldCall held(front);
  const Speech refused = Speak(front.stub(), Float32Config(), {"Hello."});
  ExpectStatus(refused.status, grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS");
  EXPECT_GT(RetryDelay(refused.status), 0);
}

TEST(Patience, AClientThatReadsNothingIsGivenUp) {
  FrontFixture::Options options;
  options.engines[0].frames = 12000;  // 23 MB of audio: more than the connection itself takes in
  options.engines[0].frames_per_message = 100;
  options.front.front.session.max_waiting_audio_bytes = 16 << 20;
  options.front.front.session.client_stall = absl::Milliseconds(100);
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  call.Text("Hello.");
  call.EndOfText();
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
  // The client still gets to know why, should it ever read.
  ExpectStatus(Drain(call).status, grpc::StatusCode::ABORTED, "CLIENT_TOO_SLOW");
  EXPECT_TRUE(Speak(front.stub(), Float32Config(), {}).status.error_code() ==
              grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(Patience, AnAvalancheOfAudioIsStoppedAtOnce) {
  FrontFixture::Options options;
  options.engines[0].frames = 12000;
  options.engines[0].frames_per_message = 100;
  options.engines[0].heed_credit = false;
  options.front.front.session.max_waiting_audio_bytes = 1 << 20;
  options.front.front.session.client_stall = absl::Hours(1);
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  call.Text("Hello.");
  call.EndOfText();
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
  ExpectStatus(Drain(call).status, grpc::StatusCode::ABORTED, "CLIENT_TOO_SLOW");
}

TEST(Patience, NoTurnBeginsWhileMuchAudioWaits) {
  FrontFixture::Options options;
  options.engines[0].frames = 6000;  // 12 MB a turn
  options.engines[0].frames_per_message = 100;
  options.front.front.session.max_waiting_audio_bytes = 16 << 20;
  options.front.front.session.client_stall = absl::Hours(1);
  FrontFixture front(options);
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  for (int i = 0; i < 3; ++i) {
    call.Text("Hello.");
    call.Flush("");
  }
  call.EndOfText();
  const Speech speech = Drain(call);  // never more than one turn and a half waits
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.audio.size(), 3u * 6000 * kFrameLength * sizeof(float));
}

TEST(Patience, TextThatNeverComes) {
  FrontFixture::Options options;
  options.front.front.session.text_stall = absl::Milliseconds(50);
  FrontFixture front(options);
  SpeechCall silent(front.stub());
  ExpectStatus(Drain(silent).status, grpc::StatusCode::DEADLINE_EXCEEDED, "TEXT_STALLED");
  SpeechCall stalled(front.stub());
  stalled.Configure(Float32Config());
  stalled.Text("Hello.");
  stalled.Flush("");
  const Speech speech = Drain(stalled);
  ExpectStatus(speech.status, grpc::StatusCode::DEADLINE_EXCEEDED, "TEXT_STALLED");
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 3));
}

TEST(Patience, ASessionEndsAtItsLimit) {
  FrontFixture::Options options;
  options.engines[0].stop_after = 1;
  options.front.front.session.max_session = absl::Milliseconds(200);
  FrontFixture front(options);
  HeldCall held(front);
  ExpectStatus(Drain(held.call).status, grpc::StatusCode::DEADLINE_EXCEEDED, "SESSION_TOO_LONG");
  EXPECT_TRUE(front.engine().AwaitCancelled(1));
}

TEST(References, TheSameRecordingAtTheSameTimeIsEncodedOnce) {
  FrontFixture front;
  front.encoder().Hold();
  SynthesisConfig config = Float32Config();
  config.add_references()->set_audio(ToneWav(0.3, kSampleRate));
  std::vector<Speech> speeches(4);
  std::vector<std::thread> threads;
  for (Speech& speech : speeches) {
    threads.emplace_back([&] { speech = Speak(front.stub(), config, {"Hello."}); });
  }
  front.encoder().AwaitHeld();
  front.encoder().Release();
  for (std::thread& thread : threads) thread.join();
  for (const Speech& speech : speeches) {
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
  }
  EXPECT_EQ(front.encoder().calls(), 1);
}

TEST(References, AnEncoderThatFailsIsNotTheClientsFault) {
  FrontFixture front;
  front.encoder().FailWith(absl::InternalError("broken"));
  SynthesisConfig config = Float32Config();
  config.add_references()->set_audio(ToneWav(0.3, kSampleRate));
  EXPECT_EQ(Speak(front.stub(), config, {"Hello."}).status.error_code(),
            grpc::StatusCode::INTERNAL);
}

TEST(Drain, RunningCallsFinishAndNewOnesAreRefused) {
  FrontFixture front;
  SpeechCall running(front.stub());
  running.Configure(Float32Config());
  running.Text("Hello.");
  running.Flush("said");
  for (auto response = running.Next(); response && !response->has_flushed();) {
    response = running.Next();
  }
  std::thread drain([&] { front.server().Drain(absl::Seconds(60)); });
  ASSERT_TRUE(front.AwaitHealth("shoal.tts.v1.TextToSpeechService",
                                grpc::health::v1::HealthCheckResponse::NOT_SERVING));
  EXPECT_EQ(front.server().NotReady(), "shutting down");
  const Speech refused = Speak(front.stub(), Float32Config(), {"Hello."});
  ExpectStatus(refused.status, grpc::StatusCode::UNAVAILABLE, "DRAINING");
  EXPECT_GT(RetryDelay(refused.status), 0);
  running.Text("And more.");
  running.EndOfText();
  const Speech rest = Drain(running);
  EXPECT_TRUE(rest.status.ok()) << rest.status.error_message();
  EXPECT_EQ(rest.done.turns_size(), 2);
  drain.join();
}

TEST(Drain, PastTheGraceCallsEndBetweenTurns) {
  FrontFixture front;
  SpeechCall idle(front.stub());
  idle.Configure(Float32Config());
  idle.Text("Hello.");
  idle.Flush("said");
  for (auto response = idle.Next(); response && !response->has_flushed();) response = idle.Next();
  std::thread drain([&] { front.server().Drain(absl::Milliseconds(50)); });
  ExpectStatus(Drain(idle).status, grpc::StatusCode::UNAVAILABLE, "DRAINING");
  drain.join();
}

}  // namespace
}  // namespace shoal::testing
