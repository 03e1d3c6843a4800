#include "loadtest/simulation/simulation.h"

#include <vector>

#include "gtest/gtest.h"
#include "loadtest/simulation/comparison.h"

namespace shoal::simulation {
namespace {

RunOptions Options() {
  RunOptions options;
  options.policy = Deadline().settings[0];
  options.warm_up = 0;
  options.measured = 100;
  options.tail = 0;
  return options;
}

// One voice and clients that each speak one turn.
Workload OneVoice(const std::vector<double>& arrivals, int frames) {
  Workload workload{.voice_reference_frames = {300}, .voice_text_tokens = {40}};
  for (const double arrival : arrivals) {
    workload.clients.push_back(
        {.arrival = arrival, .turns = {{.text_tokens = 20, .frames = frames}}});
  }
  return workload;
}

// The first request's prompt: it is longer than a step's budget in none of these tests.
int PromptLength(const RunOptions& options, const Workload& workload) {
  return MakeRequest(options.workload, workload, 0, 0).prompt_length;
}

TEST(Simulation, AClientAloneWaitsForItsPromptAndOneFrame) {
  const RunOptions options = Options();
  const Workload workload = OneVoice({1.0}, 10);
  const RunResult result = Simulate(options, workload);
  ASSERT_EQ(result.clients.size(), 1u);
  const ClientResult& client = result.clients[0];
  const StepCost cost(options.model, options.gpu);
  const RowCost prompt{.start = 0, .positions = PromptLength(options, workload), .draws = true};
  const double expected = options.hop_seconds + cost.StepSeconds({&prompt, 1}) +
                          cost.VocoderSeconds(1) + options.hop_seconds;
  EXPECT_NEAR(client.first_audio, expected, 1e-8);
  EXPECT_DOUBLE_EQ(client.audio, 10 * options.model.frame_seconds());
  EXPECT_EQ(client.gaps, 0);
  EXPECT_FALSE(client.refused);
}

// Steps of 70 ms for frames of 46: every frame after the first is late by the difference.
TEST(Simulation, AGpuThatIsTooSlowIsHeardFrameByFrame) {
  RunOptions options = Options();
  options.gpu.slowdown = 20;
  const Workload workload = OneVoice({1.0}, 10);
  const RunResult result = Simulate(options, workload);
  const StepCost cost(options.model, options.gpu);
  double expected = 0;
  for (int frame = 1; frame < 10; ++frame) {
    const RowCost row{.start = PromptLength(options, workload) + frame - 1, .draws = true};
    expected +=
        cost.StepSeconds({&row, 1}) + cost.VocoderSeconds(1) - options.model.frame_seconds();
  }
  ASSERT_EQ(result.clients.size(), 1u);
  EXPECT_EQ(result.clients[0].gaps, 9);
  EXPECT_NEAR(result.clients[0].underrun, expected, 1e-7);
}

TEST(Simulation, ChunksLeaveWhenTheyAreFullOrTheTurnEnds) {
  RunOptions options = Options();
  const Workload workload = OneVoice({1.0}, 10);
  const double one = Simulate(options, workload).clients[0].first_audio;
  options.policy.chunk_frames = 4;
  const ClientResult four = Simulate(options, workload).clients[0];
  options.policy.chunk_frames = 40;
  const ClientResult whole = Simulate(options, workload).clients[0];
  EXPECT_GT(four.first_audio, one + 3 * 3.4e-3);
  EXPECT_GT(whole.first_audio, four.first_audio + 6 * 3.4e-3);
  EXPECT_DOUBLE_EQ(four.audio, 10 * options.model.frame_seconds());
  EXPECT_DOUBLE_EQ(whole.audio, 10 * options.model.frame_seconds());
}

TEST(Simulation, AVoiceIsComputedOnce) {
  const RunOptions options = Options();
  const RunResult result = Simulate(options, OneVoice({1.0, 5.0}, 10));
  ASSERT_EQ(result.clients.size(), 2u);
  // The second prompt's reference is there already, but for a block that it does not fill.
  const int64_t prompt = PromptLength(options, OneVoice({1.0}, 10));
  EXPECT_LE(result.prompt_positions, prompt + 20 + options.workload.turn_tokens + 16);
  EXPECT_LT(result.clients[1].first_audio, result.clients[0].first_audio);
}

TEST(Simulation, EveryClientHearsAllOfItsTurns) {
  RunOptions options = Options();
  options.workload.clients = 40;
  options.workload.seconds = 20;
  const Workload workload = MakeWorkload(options.workload);
  for (const Way& way : {Deadline(), FirstCome(), FixedChunks()}) {
    options.policy = way.settings[0];
    const RunResult result = Simulate(options, workload);
    ASSERT_EQ(result.clients.size(), workload.clients.size());
    for (size_t i = 0; i < result.clients.size(); ++i) {
      EXPECT_FALSE(result.clients[i].refused);
      EXPECT_NEAR(result.clients[i].audio,
                  workload.clients[i].frames() * options.model.frame_seconds(), 1e-9);
    }
  }
}

TEST(Simulation, IsAFunctionOfItsOptions) {
  RunOptions options = Options();
  options.workload.clients = 32;
  options.measured = 10;
  const RunResult one = Simulate(options), again = Simulate(options);
  ASSERT_EQ(one.clients.size(), again.clients.size());
  for (size_t i = 0; i < one.clients.size(); ++i) {
    EXPECT_EQ(one.clients[i].first_audio, again.clients[i].first_audio);
    EXPECT_EQ(one.clients[i].underrun, again.clients[i].underrun);
  }
  EXPECT_EQ(one.steps, again.steps);
  EXPECT_EQ(one.seconds, again.seconds);
}

TEST(Summarize, TakesMeansAndPercentilesOfThoseWhoWereServed) {
  std::vector<ClientResult> clients;
  for (int i = 1; i <= 100; ++i) clients.push_back({.first_audio = i / 1000.0, .audio = 9});
  clients[10] = {.first_audio = 0.011, .audio = 9, .underrun = 2, .longest_gap = 1.5, .gaps = 2};
  clients.push_back({.refused = true});
  const Summary summary = Summarize(clients);
  EXPECT_EQ(summary.clients, 100);
  EXPECT_EQ(summary.refused, 1);
  EXPECT_DOUBLE_EQ(summary.first_audio_p50, 0.050);
  EXPECT_DOUBLE_EQ(summary.first_audio_p95, 0.095);
  EXPECT_DOUBLE_EQ(summary.underrun, 0.02);
  EXPECT_DOUBLE_EQ(summary.underrun_share, 2.0 / 902);
  EXPECT_DOUBLE_EQ(summary.with_gap, 0.01);
  EXPECT_DOUBLE_EQ(summary.longest_gap, 1.5);
}

TEST(Percentile, IsTheSmallestValueNotExceededByTheShare) {
  EXPECT_EQ(Percentile({}, 0.5), 0);
  EXPECT_EQ(Percentile({3}, 0.95), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.5), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 0.51), 3);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 1.0), 4);
}

}  // namespace
}  // namespace shoal::simulation
