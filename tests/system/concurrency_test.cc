// Several clients at once: they share batches in every stage, and each hears what it would alone.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

constexpr int kClients = 8;

tts::v1::SynthesisConfig ConfigOf(int client) {
  tts::v1::SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::LINEAR16);
  config.mutable_sampling()->set_seed(100 + client);
  config.mutable_sampling()->set_max_frames(60 + 5 * client);
  return config;
}

std::string TextOf(int client) {
  return "Client number " + std::to_string(client) + " has something of its own to say.";
}

// Observations of a Prometheus histogram that lie in (lower, upper].
double Between(const Deployment& deployment, StageName stage, const std::string& series,
               const std::string& labels, const std::string& lower, const std::string& upper) {
  const auto bucket = [&](const std::string& le) {
    return deployment.Metric(stage, series + "_bucket{" + labels + ",le=\"" + le + "\"}");
  };
  return bucket(upper) - bucket(lower);
}

TEST(ConcurrencyTest, EightStreamsEqualTheSameStreamsAlone) {
  // The engine waits at frame 3 until all eight are there: the batch of eight is no matter of luck.
  const std::string gate = MakeScratchFolder("shoal-gate") + "/open";
  Deployment deployment(
      {.checkpoint = MadeCheckpoint({"--seed=31"}),
       .flags = {{StageName::kEngine, {"--test-gate-frame=3", "--test-gate-file=" + gate}}}});
  deployment.StartAll();

  std::vector<Speech> together(kClients);
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&, i] {
        const auto stub = Connect(deployment.front_address());
        together[i] = Speak(*stub, ConfigOf(i), {TextOf(i)});
      });
    }
    Process& engine = deployment.process(StageName::kEngine);
    engine.WaitUntil("eight sequences run", [&] {
      return deployment.Metric(StageName::kEngine, "shoal_frames_generated_total") >= 3 * kClients;
    });
    std::ofstream(gate) << "open";
  }
  EXPECT_GT(
      Between(deployment, StageName::kEngine, "shoal_batch_size", "stage=\"ar_engine\"", "7", "8"),
      0)
      << "no engine step held 8 rows:\n"
      << deployment.Get(StageName::kEngine, "/metrics");
  EXPECT_GT(Between(deployment, StageName::kVocoder, "shoal_batch_size", "stage=\"vocoder\"", "1",
                    "+Inf"),
            0)
      << "no vocoder step held 2 slots";

  const auto stub = Connect(deployment.front_address());
  for (int i = 0; i < kClients; ++i) {
    ASSERT_TRUE(together[i].status.ok()) << together[i].status.error_message();
    const Speech alone = Speak(*stub, ConfigOf(i), {TextOf(i)});
    ASSERT_TRUE(alone.status.ok()) << alone.status.error_message();
    EXPECT_FALSE(alone.audio.empty());
    EXPECT_EQ(together[i].audio, alone.audio) << "client " << i;
    EXPECT_NE(together[i].audio, together[(i + 1) % kClients].audio);
  }
}

TEST(ConcurrencyTest, ACancelledStreamFreesItsPlaceAndHarmsNobody) {
  Deployment deployment({.checkpoint = MadeCheckpoint({"--seed=31"}), .flags = {}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  const Speech before = Speak(*stub, ConfigOf(1), {TextOf(1)});
  for (int i = 0; i < 5; ++i) {
    SpeechCall call(*stub);
    call.Configure(ConfigOf(0));
    call.Text(TextOf(0));
    call.EndOfText();
    while (const auto response = call.Next()) {
      if (response->has_audio()) break;
    }
    call.Cancel();
    EXPECT_EQ(Drain(call).status.error_code(), grpc::StatusCode::CANCELLED);
  }
  const Speech after = Speak(*stub, ConfigOf(1), {TextOf(1)});
  EXPECT_EQ(before.audio, after.audio);
  for (const auto& [stage, series] :
       {std::pair{StageName::kEngine, "shoal_requests_running"},
        std::pair{StageName::kVocoder, "shoal_vocoder_slots{state=\"used\"}"}}) {
    deployment.process(stage).WaitUntil(std::string(series) + " is 0 again",
                                        [&] { return deployment.Metric(stage, series) == 0; });
  }
}

}  // namespace
}  // namespace shoal::testing
