// What the engine does with its time and memory when there is too little of either, seen from
// outside: slow clients, too few KV blocks, prompts that were seen before, turns that do not end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

using Stub = tts::v1::TextToSpeechService::Stub;

constexpr int kBlockPositions = 16;
constexpr char kText[] = "Whoever listens slowly hears the same as everybody else.";

std::string Checkpoint() { return MadeCheckpoint({"--seed=61"}); }

tts::v1::SynthesisConfig ConfigOf(uint64_t seed, uint32_t max_frames) {
  tts::v1::SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  config.mutable_sampling()->set_seed(seed);
  config.mutable_sampling()->set_max_frames(max_frames);
  return config;
}

// The first `count` seeds from 1 on whose speech has at least so many frames.
std::vector<uint64_t> LongSeeds(Stub& stub, size_t count, uint32_t max_frames, uint32_t least) {
  std::vector<uint64_t> seeds;
  for (uint64_t seed = 1; seeds.size() < count; ++seed) {
    const Speech speech = Speak(stub, ConfigOf(seed, max_frames), {kText});
    if (!speech.status.ok() || seed > 100) {
      ADD_FAILURE() << "seed " << seed << ": " << speech.status.error_message();
      return std::vector<uint64_t>(count, 1);
    }
    if (speech.done.turns(0).frames() >= least) seeds.push_back(seed);
  }
  return seeds;
}

// A client whose connection takes in no more than 64 KiB that it has not read.
std::unique_ptr<Stub> ConnectThinly(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return tts::v1::TextToSpeechService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

TEST(SchedulingTest, ASlowReaderIsPausedAloneAndHearsExactlyTheSame) {
  constexpr int kBound = 128 << 10;
  Deployment deployment(
      {.checkpoint = Checkpoint(),
       .flags = {{StageName::kPreprocess,
                  {"--max-waiting-audio-bytes=" + std::to_string(kBound), "--client-stall=10m"}}}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  const uint64_t seed = LongSeeds(*stub, 1, 250, 150).front();
  const auto config = ConfigOf(seed, 250);
  const Speech undisturbed = Speak(*stub, config, {kText});
  const Speech other_alone = Speak(*stub, ConfigOf(seed + 1, 40), {kText});
  ASSERT_TRUE(undisturbed.status.ok()) << undisturbed.status.error_message();

  const auto thin = ConnectThinly(deployment.front_address());
  SpeechCall slow(*thin);
  slow.Configure(config);
  slow.Text(kText);
  slow.EndOfText();
  Process& engine = deployment.process(StageName::kEngine);
  const auto paused = [&] {
    return deployment.Metric(StageName::kEngine, "shoal_requests_paused") == 1;
  };
  engine.WaitUntil("the slow client's turn is paused", paused);
  for (int i = 0; i < 3; ++i) {
    const Speech other = Speak(*stub, ConfigOf(seed + 1, 40), {kText});
    ASSERT_TRUE(other.status.ok()) << other.status.error_message();
    EXPECT_EQ(other.audio, other_alone.audio);
  }
  engine.WaitUntil("the slow client's turn is still paused", paused);
  const double waiting = deployment.Metric(StageName::kPreprocess, "shoal_audio_waiting_bytes");
  EXPECT_GT(waiting, 0);
  EXPECT_LE(waiting, kBound);

  const Speech speech = Drain(slow);
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.audio, undisturbed.audio);
  engine.WaitUntil("nothing is paused", [&] {
    return deployment.Metric(StageName::kEngine, "shoal_requests_paused") == 0 &&
           deployment.Metric(StageName::kEngine, "shoal_requests_running") == 0;
  });
}

TEST(SchedulingTest, TakenBlocksChangeNobodysSpeech) {
  constexpr uint32_t kFrames = 160;
  std::vector<uint64_t> seeds;
  std::vector<Speech> alone;
  {
    Deployment deployment({.checkpoint = Checkpoint(), .flags = {}});
    deployment.StartAll();
    const auto stub = Connect(deployment.front_address());
    seeds = LongSeeds(*stub, 2, kFrames, 100);
    for (const uint64_t seed : seeds)
      alone.push_back(Speak(*stub, ConfigOf(seed, kFrames), {kText}));
    EXPECT_EQ(deployment.Metric(StageName::kEngine, "shoal_preemptions_total"), 0);
  }
  // Room for one whole turn and the other one's prompt.
  const auto prompt = static_cast<int>(alone[0].done.turns(0).prompt_tokens());
  const int whole = (prompt + static_cast<int>(kFrames) + kBlockPositions - 1) / kBlockPositions;
  const int begun = prompt / kBlockPositions + 1;
  ASSERT_LT(begun + 1, whole);
  const std::string gate = MakeScratchFolder("shoal-gate") + "/open";
  Deployment deployment(
      {.checkpoint = Checkpoint(),
       .flags = {{StageName::kEngine,
                  {"--kv-blocks=" + std::to_string(std::max(whole, 2 * begun)), "--no-prefix-cache",
                   "--test-gate-frame=1", "--test-gate-file=" + gate}}}});
  deployment.StartAll();
  std::vector<Speech> together(seeds.size());
  {
    std::vector<std::jthread> clients;
    for (size_t i = 0; i < seeds.size(); ++i) {
      clients.emplace_back([&, i] {
        const auto stub = Connect(deployment.front_address());
        together[i] = Speak(*stub, ConfigOf(seeds[i], kFrames), {kText});
      });
    }
    deployment.process(StageName::kEngine).WaitUntil("both have begun", [&] {
      return deployment.Metric(StageName::kEngine, "shoal_frames_generated_total") >= 2;
    });
    std::ofstream(gate) << "open";
  }
  for (size_t i = 0; i < seeds.size(); ++i) {
    ASSERT_TRUE(together[i].status.ok()) << together[i].status.error_message();
    EXPECT_EQ(together[i].audio, alone[i].audio) << "seed " << seeds[i];
  }
  EXPECT_GT(deployment.Metric(StageName::kEngine, "shoal_preemptions_total"), 0);
}

Speech SpeakTwoTurns(const Deployment& deployment) {
  const auto stub = Connect(deployment.front_address());
  SpeechCall call(*stub);
  call.Configure(ConfigOf(7, 40));
  call.Text(kText);
  call.Flush("");
  call.Text("And then they answer.");
  call.EndOfText();
  return Drain(call);
}

TEST(SchedulingTest, ASecondTurnIsNotComputedFromTheBeginning) {
  Speech cold;
  {
    Deployment deployment(
        {.checkpoint = Checkpoint(), .flags = {{StageName::kEngine, {"--no-prefix-cache"}}}});
    deployment.StartAll();
    cold = SpeakTwoTurns(deployment);
    ASSERT_TRUE(cold.status.ok()) << cold.status.error_message();
    EXPECT_EQ(deployment.Metric(StageName::kEngine, "shoal_prefix_cache_hit_tokens_total"), 0);
  }
  Deployment deployment({.checkpoint = Checkpoint(), .flags = {}});
  deployment.StartAll();
  const Speech warm = SpeakTwoTurns(deployment);
  ASSERT_TRUE(warm.status.ok()) << warm.status.error_message();
  EXPECT_EQ(warm.audio, cold.audio);
  ASSERT_EQ(warm.done.turns_size(), 2);
  // The first turn's prompt and frames begin the second one's prompt.
  const uint32_t known = warm.done.turns(0).prompt_tokens() + warm.done.turns(0).frames();
  EXPECT_GE(deployment.Metric(StageName::kEngine, "shoal_prefix_cache_hit_tokens_total"),
            known - 2 * kBlockPositions);
  EXPECT_GT(deployment.Metric(StageName::kEngine, "shoal_kv_blocks{state=\"cached\"}"), 0);
}

TEST(SchedulingTest, ATurnThatNobodyCanSpeakForSoLongIsEnded) {
  // With these limits the 21 bytes of text last 0.22 s at most.
  Deployment deployment({.checkpoint = Checkpoint(),
                         .flags = {{StageName::kPreprocess,
                                    {"--most-speech-per-byte=0.001", "--most-speech-extra=0.2"}}}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  const Speech speech = Speak(*stub, ConfigOf(7, 100), {"It goes on and on so."});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  ASSERT_EQ(speech.done.turns_size(), 1);
  EXPECT_EQ(speech.done.turns(0).finish_reason(), tts::v1::FINISH_RUNAWAY);
  EXPECT_EQ(speech.done.turns(0).frames(), 5u) << "0.22 s in frames of 46 ms";
  EXPECT_THAT(speech.warnings, ::testing::ElementsAre("RUNAWAY"));
  EXPECT_EQ(deployment.Metric(StageName::kEngine, "shoal_turns_total{outcome=\"runaway\"}"), 1);
  EXPECT_EQ(
      deployment.Metric(StageName::kPreprocess, "shoal_turns_suspect_total{kind=\"runaway\"}"), 1);
}

}  // namespace
}  // namespace shoal::testing
