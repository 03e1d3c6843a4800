// The public service over real sockets on both sides: gRPC to clients, channels to fake stages.

#include "services/preprocess/front/tts_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/audio/recording.h"
#include "common/audio/wav_file.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using tts::v1::SynthesisConfig;

SynthesisConfig Float32Config() {
  SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  return config;
}

// A text of `turns` turns: sentences of 90 bytes where a turn holds 100.
std::string Sentences(int turns) {
  std::string text;
  for (int i = 0; i < turns; ++i) text += std::string(88, static_cast<char>('a' + i % 26)) + ". ";
  return text;
}

SynthesisConfig ShortTurns(SynthesisConfig config = Float32Config()) {
  config.set_chunk_length(100);
  return config;
}

TEST(TtsService, SpeaksATurn) {
  FrontFixture front;
  SynthesisConfig config = Float32Config();
  config.set_request_id("my label");
  config.mutable_sampling()->set_seed(77);
  const Speech speech = Speak(front.stub(), config, {"Hello there."});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();

  EXPECT_EQ(speech.started.request_id(), "my label");
  EXPECT_EQ(speech.started.seed(), 77u);
  EXPECT_EQ(speech.started.sample_rate_hz(), kSampleRate);
  EXPECT_EQ(speech.started.encoding(), tts::v1::FLOAT32);
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 3));
  uint64_t samples = 0;
  for (size_t i = 0; i < speech.messages.size(); ++i) {
    EXPECT_EQ(speech.messages[i].sequence(), i);
    EXPECT_EQ(speech.messages[i].turn(), 0u);
    EXPECT_EQ(speech.messages[i].first_sample(), samples);
    samples += speech.messages[i].data().size() / sizeof(float);
  }
  ASSERT_EQ(speech.done.turns_size(), 1);
  EXPECT_EQ(speech.done.turns(0).finish_reason(), tts::v1::FINISH_STOP);
  EXPECT_EQ(speech.done.turns(0).frames(), 3u);
  EXPECT_EQ(speech.done.samples(), 3u * kFrameLength);
  EXPECT_GT(speech.done.seconds_to_first_audio(), 0);
  EXPECT_GT(speech.done.seconds_total(), 0);
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));  // its slot is free again
  EXPECT_EQ(front.engine().cancelled(), 0u);
}

TEST(TtsService, TheEngineGetsThePromptAndEveryDefault) {
  FrontFixture front;
  const Speech speech = Speak(front.stub(), SynthesisConfig(), {"Hello."});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  ASSERT_EQ(front.engine().requests().size(), 1u);
  const FakeEngine::Request request = front.engine().requests()[0];
  const preprocess::Prompt prompt = *front.builder().Build({}, {}, "Hello.");
  EXPECT_EQ(request.token_ids, prompt.token_ids);
  EXPECT_EQ(request.codes, prompt.codes);
  EXPECT_EQ(request.priority, pipeline::v1::PLAYBACK);
  EXPECT_FLOAT_EQ(request.sampling.temperature(), 0.8f);
  EXPECT_FLOAT_EQ(request.sampling.top_p(), 0.8f);
  EXPECT_EQ(request.sampling.top_k(), 30u);
  EXPECT_FLOAT_EQ(request.sampling.repetition_penalty(), 1.1f);
  EXPECT_EQ(request.sampling.penalty_window(), 16u);
  EXPECT_EQ(request.sampling.max_frames(), 2048u);
  EXPECT_FALSE(request.sampling.residual_greedy());
  EXPECT_EQ(request.sampling.filter_order(), pipeline::v1::TOP_K_FIRST);
  EXPECT_EQ(request.sampling.ras().rule(), pipeline::v1::Ras::AUTHORS);
  EXPECT_EQ(request.sampling.ras().window(), 10u);
  EXPECT_FLOAT_EQ(request.sampling.ras().temperature(), 1.0f);
  EXPECT_FLOAT_EQ(request.sampling.ras().top_p(), 0.9f);
  // A seed was drawn, and told.
  EXPECT_EQ(request.sampling.seed(), speech.started.seed());
  EXPECT_NE(Speak(front.stub(), SynthesisConfig(), {"Hello."}).started.seed(),
            speech.started.seed());
  EXPECT_FALSE(speech.started.request_id().empty());
}

TEST(TtsService, LaterTurnsSeeEarlierTextAndAudio) {
  FrontFixture front;
  SpeechCall call(front.stub());
  call.Configure(Float32Config());
  call.Text("First.");
  call.Flush("one");
  call.Text("Second.");
  call.Flush("two");
  call.Text("Third.");
  call.EndOfText();
  const Speech speech = Drain(call);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_THAT(speech.flushed, ElementsAre("one", "two"));
  EXPECT_EQ(speech.Float32(), ExpectedAudio(3, 3));
  EXPECT_EQ(speech.messages.back().turn(), 2u);

  const auto codes = [](uint32_t turn) {  // (num_codebooks, frames)
    std::vector<int32_t> values(3 * kCodebooks);
    for (uint32_t frame = 0; frame < 3; ++frame) {
      for (uint32_t k = 0; k < kCodebooks; ++k) values[k * 3 + frame] = CodesOf(turn, frame)[k];
    }
    return values;
  };
  const std::vector<int32_t> first = codes(0), second = codes(1);
  const preprocess::SpokenTurn history[] = {{"First.", {first, 3}}, {"Second.", {second, 3}}};
  const preprocess::Prompt prompt = *front.builder().Build({}, history, "Third.");
  const std::vector<FakeEngine::Request> requests = front.engine().requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].token_ids, prompt.token_ids);
  EXPECT_EQ(requests[2].codes, prompt.codes);
  EXPECT_EQ(speech.done.turns(2).prompt_tokens(), prompt.token_ids.size());
}

TEST(TtsService, AFlushIsAnsweredWhenAllAudioBeforeItIsOut) {
  FrontFixture front;
  SynthesisConfig config = Float32Config();
  config.mutable_audio()->set_sample_rate_hz(8000);  // a resampler that holds samples back
  SpeechCall call(front.stub());
  call.Configure(config);
  call.Text("Hello.");
  call.Flush("x");
  size_t samples = 0;
  bool flushed = false;
  while (!flushed) {
    const auto response = call.Next();
    ASSERT_TRUE(response.has_value());
    samples += response->audio().data().size() / sizeof(float);
    flushed = response->has_flushed();
  }
  EXPECT_EQ(samples, 3u * kFrameLength * 8000 / kSampleRate);
  call.Text("More.");
  call.EndOfText();
  const Speech rest = Drain(call);
  EXPECT_TRUE(rest.status.ok());
  EXPECT_EQ(rest.messages.front().first_sample(), samples);
}

TEST(TtsService, MessageBoundariesDoNotChangeTheTurns) {
  FrontFixture front;
  const std::string text = Sentences(3);
  const Speech whole = Speak(front.stub(), ShortTurns(), {text});
  std::vector<std::string> pieces;
  for (char c : text) pieces.push_back(std::string(1, c));
  const Speech cut = Speak(front.stub(), ShortTurns(), pieces);
  ASSERT_TRUE(whole.status.ok() && cut.status.ok());
  EXPECT_EQ(whole.done.turns_size(), 3);
  EXPECT_EQ(whole.audio, cut.audio);
  const std::vector<FakeEngine::Request> requests = front.engine().requests();
  ASSERT_EQ(requests.size(), 6u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(requests[i].token_ids, requests[i + 3].token_ids);
}

TEST(TtsService, EncodingsAndRates) {
  FrontFixture front;
  SynthesisConfig config;
  const Speech linear = Speak(front.stub(), config, {"Hello."});
  ASSERT_EQ(linear.Linear16().size(), 3u * kFrameLength);
  EXPECT_EQ(linear.Linear16()[0], std::lrint(LevelOf(0, 0) * 32768));

  config.mutable_audio()->set_encoding(tts::v1::WAV);
  const Speech wav = Speak(front.stub(), config, {"Hello."});
  EXPECT_EQ(wav.audio, audio::WavHeader(kSampleRate, std::nullopt) + linear.audio);

  config.mutable_audio()->set_sample_rate_hz(48000);
  const Speech resampled = Speak(front.stub(), config, {"Hello."});
  EXPECT_EQ(resampled.started.sample_rate_hz(), 48000u);
  EXPECT_EQ(resampled.audio.size(), audio::kWavHeaderBytes + 2u * 2 * 3 * kFrameLength);
  EXPECT_EQ(resampled.done.samples(), 2u * 3 * kFrameLength);
}

TEST(TtsService, SynthesizeReturnsTheWholeFile) {
  FrontFixture front;
  grpc::ClientContext context;
  tts::v1::SynthesizeRequest request;
  request.mutable_config()->mutable_audio()->set_encoding(tts::v1::WAV);
  request.set_text("Hello.");
  tts::v1::SynthesizeResponse response;
  const grpc::Status status = front.stub().Synthesize(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.audio().size(), audio::kWavHeaderBytes + 2u * 3 * kFrameLength);
  EXPECT_EQ(response.audio().substr(0, audio::kWavHeaderBytes),
            audio::WavHeader(kSampleRate, 2u * 3 * kFrameLength));
  EXPECT_EQ(response.done().samples(), 3u * kFrameLength);
  EXPECT_EQ(front.engine().requests()[0].priority, pipeline::v1::WHOLE_FILE);
}

TEST(TtsService, SynthesizeRefusesWhatIsTooLargeForOneMessage) {
  FrontFixture::Options options;
  options.engines[0].frames = 100;
  options.front.front.max_synthesize_bytes = (64 << 10) + 5000;
  FrontFixture front(options);
  grpc::ClientContext context;
  tts::v1::SynthesizeRequest request;
  request.set_text("Hello.");
  tts::v1::SynthesizeResponse response;
  const grpc::Status status = front.stub().Synthesize(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("StreamingSynthesize"));
  EXPECT_EQ(ErrorReason(status), "RESULT_TOO_LARGE");
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
}

TEST(TtsService, TellsWhatItRuns) {
  FrontFixture front;
  grpc::ClientContext context;
  tts::v1::GetServerInfoResponse info;
  ASSERT_TRUE(front.stub().GetServerInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.model(), "fake");
  EXPECT_EQ(info.sample_rate_hz(), kSampleRate);
  EXPECT_EQ(info.num_codebooks(), kCodebooks);
  EXPECT_DOUBLE_EQ(info.frame_rate_hz(), 50.0);
  EXPECT_EQ(info.max_text_bytes(), 1u << 20);
  EXPECT_FLOAT_EQ(info.sampling().temperature(), 0.8f);
  EXPECT_EQ(info.sampling().max_frames(), 2048u);
  EXPECT_FALSE(info.sampling().has_seed());
}

TEST(TtsService, TheCheckpointsSamplingStandsUnderTheFlagsAndTheRequests) {
  FrontFixture::Options options;
  tts::v1::SamplingConfig& sampling = options.front.model.sampling;
  sampling.set_temperature(0.4f);
  sampling.set_max_frames(300);
  sampling.set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  sampling.mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::OFF);
  options.front.front.residual_sampling = tts::v1::RESIDUAL_GREEDY;
  FrontFixture front(options);
  ASSERT_TRUE(Speak(front.stub(), SynthesisConfig(), {"Hello."}).status.ok());
  SynthesisConfig own;
  own.mutable_sampling()->set_temperature(0.9f);
  own.mutable_sampling()->set_max_frames(20);
  own.mutable_sampling()->set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  ASSERT_TRUE(Speak(front.stub(), own, {"Hello."}).status.ok());

  const std::vector<FakeEngine::Request> requests = front.engine().requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_FLOAT_EQ(requests[0].sampling.temperature(), 0.4f);
  EXPECT_EQ(requests[0].sampling.max_frames(), 300u);
  EXPECT_TRUE(requests[0].sampling.residual_greedy());
  EXPECT_EQ(requests[0].sampling.ras().rule(), pipeline::v1::Ras::OFF);
  EXPECT_FLOAT_EQ(requests[1].sampling.temperature(), 0.9f);
  EXPECT_EQ(requests[1].sampling.max_frames(), 20u);
  EXPECT_FALSE(requests[1].sampling.residual_greedy());
  EXPECT_EQ(requests[1].sampling.ras().rule(), pipeline::v1::Ras::OFF);

  grpc::ClientContext context;
  tts::v1::GetServerInfoResponse info;
  ASSERT_TRUE(front.stub().GetServerInfo(&context, {}, &info).ok());
  EXPECT_FLOAT_EQ(info.sampling().temperature(), 0.4f);
  EXPECT_EQ(info.sampling().residual_sampling(), tts::v1::RESIDUAL_GREEDY);
}

TEST(TtsService, EightClientsAtOnce) {
  FrontFixture front;
  std::vector<Speech> speeches(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < speeches.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto stub = Connect(front.server().address());
      speeches[i] = Speak(*stub, ShortTurns(), {Sentences(static_cast<int>(i) + 1)});
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < speeches.size(); ++i) {
    ASSERT_TRUE(speeches[i].status.ok()) << i << ": " << speeches[i].status.error_message();
    EXPECT_EQ(speeches[i].Float32(), ExpectedAudio(static_cast<uint32_t>(i) + 1, 3)) << i;
  }
  EXPECT_TRUE(front.vocoder().AwaitCancelled(8));
  EXPECT_EQ(front.vocoder().open_streams(), 0u);
}

TEST(TtsService, AReferenceBecomesThePromptsVoice) {
  FrontFixture front;
  SynthesisConfig config = Float32Config();
  config.add_references()->set_audio(ToneWav(0.5, 44100));
  config.mutable_references(0)->set_transcript("What is said.");
  const Speech speech = Speak(front.stub(), config, {"Hello."});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_TRUE(speech.warnings.empty());
  const auto frames = static_cast<int64_t>(std::ceil(0.5 * kSampleRate / kFrameLength));
  std::vector<int32_t> codes;
  for (int64_t i = 0; i < frames * kCodebooks; ++i) codes.push_back(static_cast<int32_t>(i % 4));
  const preprocess::Reference references[] = {{"What is said.", {codes, frames}}};
  EXPECT_EQ(front.engine().requests()[0].token_ids,
            front.builder().Build(references, {}, "Hello.")->token_ids);

  // The same recording again is not encoded again.
  EXPECT_TRUE(Speak(front.stub(), config, {"Hello."}).status.ok());
  EXPECT_EQ(front.encoder().calls(), 1);
  EXPECT_EQ(front.Metric("shoal_voice_cache_hits_total{tier=\"memory\"}"), "1");
}

TEST(TtsService, WarnsOfAPoorRecording) {
  FrontFixture front;
  std::vector<float> quiet = Tone(0.5, kSampleRate);
  for (float& sample : quiet) sample *= 0.01f;
  std::vector<float> clipped(kSampleRate / 2, 1.0f);
  SynthesisConfig config;
  config.add_references()->set_audio(
      MakeRecording(0x010000 | 0x0006, 1, kSampleRate, quiet));  // WAV, float
  config.add_references()->set_audio(MakeRecording(0x010000 | 0x0006, 1, kSampleRate, clipped));
  const Speech speech = Speak(front.stub(), config, {"Hello."});
  EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_THAT(speech.warnings, ElementsAre("REFERENCE_QUIET", "REFERENCE_CLIPPED"));
}

TEST(TtsService, ATextOfOneMegabyteIsSpoken) {
  FrontFixture front;
  SynthesisConfig config = Float32Config();
  config.set_chunk_length(1000);
  std::string text;
  while (text.size() + 1000 <= (1 << 20)) text += std::string(998, 'a') + ". ";
  const Speech speech = Speak(front.stub(), config, {text});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.done.turns_size(), static_cast<int>(text.size() / 1000));
  for (const FakeEngine::Request& request : front.engine().requests()) {
    EXPECT_LE(request.token_ids.size() + request.sampling.max_frames(), kMaxSeqLen);
  }
}

TEST(TtsService, HealthFollowsTheStages) {
  using grpc::health::v1::HealthCheckResponse;
  FrontFixture::Options options;
  options.engines.clear();
  options.vocoders.clear();
  FrontFixture front(options);
  const std::string name = "shoal.tts.v1.TextToSpeechService";
  EXPECT_TRUE(front.AwaitHealth(name, HealthCheckResponse::NOT_SERVING));
  EXPECT_EQ(front.server().NotReady(), "no engine and no vocoder is up");
  const Speech refused = Speak(front.stub(), Float32Config(), {"Hello."});
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorReason(refused.status), "NO_ENGINE");

  FakeEngine::Options engine;
  engine.dial = {front.server().channel().inbox()};
  front.AddEngine(engine);
  FakeVocoder::Options vocoder;
  vocoder.dial = engine.dial;
  front.AddVocoder(vocoder);
  EXPECT_TRUE(front.AwaitHealth(name, HealthCheckResponse::SERVING));
  EXPECT_TRUE(Speak(front.stub(), Float32Config(), {"Hello."}).status.ok());
  front.engine().Kill();
  EXPECT_TRUE(front.AwaitHealth(name, HealthCheckResponse::NOT_SERVING));
  EXPECT_EQ(front.server().NotReady(), "no engine is up");
}

TEST(TtsService, CountsWhatItDid) {
  FrontFixture front;
  EXPECT_TRUE(Speak(front.stub(), Float32Config(), {"Hello."}).status.ok());
  EXPECT_FALSE(Speak(front.stub(), Float32Config(), {}).status.ok());
  EXPECT_TRUE(front.vocoder().AwaitCancelled(1));
  EXPECT_EQ(front.Metric("shoal_streams_total{outcome=\"ok\",reason=\"\"}"), "1");
  EXPECT_EQ(front.Metric("shoal_streams_total{outcome=\"failed\",reason=\"TEXT_EMPTY\"}"), "1");
  EXPECT_EQ(front.Metric("shoal_time_to_first_audio_seconds_count"), "1");
  EXPECT_EQ(front.Metric("shoal_audio_rtf_count"), "1");
  EXPECT_EQ(front.Metric("shoal_request_duration_seconds_count"), "2");
}

}  // namespace
}  // namespace shoal::testing
