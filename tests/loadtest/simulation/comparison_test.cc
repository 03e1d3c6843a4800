#include "loadtest/simulation/comparison.h"

#include <vector>

#include "gtest/gtest.h"
#include "loadtest/simulation/report.h"

namespace shoal::simulation {
namespace {

Summary Of(double first_audio_p95, double underrun) {
  Summary summary;
  summary.first_audio_p95 = first_audio_p95;
  summary.underrun = underrun;
  return summary;
}

TEST(Judge, TakesTheOthersBestSettingOfThoseNotSlower) {
  int chosen = -1;
  EXPECT_EQ(Judge(Of(0.100, 0.5), {Of(0.050, 2.0), Of(0.100, 1.0), Of(0.200, 0.1)}, &chosen),
            Verdict::kLess);
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(Judge(Of(0.100, 0.5), {Of(0.050, 2.0), Of(0.100, 0.4)}, &chosen), Verdict::kMore);
  EXPECT_EQ(chosen, 1);
}

TEST(Judge, AlmostEqualFirstAudioIsEqual) {
  // 2 % and 1 ms of 100 ms: up to 103 ms.
  EXPECT_EQ(Judge(Of(0.100, 0.5), {Of(0.1029, 0.1)}), Verdict::kMore);
  EXPECT_EQ(Judge(Of(0.100, 0.5), {Of(0.1031, 0.1)}), Verdict::kSlower);
}

TEST(Judge, NoUnderrunAnywhereDecidesNothing) {
  EXPECT_EQ(Judge(Of(0.1, 0), {Of(0.1, 0)}), Verdict::kEqual);
  EXPECT_EQ(Judge(Of(0.1, 0), {Of(0.5, 0)}), Verdict::kEqual);
  EXPECT_EQ(Judge(Of(0.1, 0), {Of(0.1, 0.0009)}), Verdict::kEqual);
}

TEST(Judge, OnePercentDecidesNothing) {
  EXPECT_EQ(Judge(Of(0.1, 1.000), {Of(0.1, 1.009)}), Verdict::kEqual);
  EXPECT_EQ(Judge(Of(0.1, 1.000), {Of(0.1, 1.020)}), Verdict::kLess);
}

TEST(Judge, OnlySlowerSettingsAreHeldAgainstTheFastestOfThem) {
  int chosen = -1;
  EXPECT_EQ(Judge(Of(0.1, 0.5), {Of(0.9, 0.0), Of(0.2, 0.6)}, &chosen), Verdict::kLess);
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(Judge(Of(0.1, 0.5), {Of(0.9, 0.0), Of(0.2, 0.1)}, &chosen), Verdict::kSlower);
  EXPECT_EQ(chosen, 1);
}

TEST(Tally, CountsSeedsOfOneLoadAndOneOther) {
  std::vector<Outcome> outcomes;
  const auto add = [&](double load, uint64_t seed, int way, double underrun) {
    outcomes.push_back({.load = load, .seed = seed, .way = way, .summary = Of(0.1, underrun)});
  };
  for (const uint64_t seed : {1, 2, 3}) add(64, seed, 0, 0.5);
  add(64, 1, 1, 1.0);
  add(64, 2, 1, 0.5);
  add(64, 3, 1, 0.25);
  add(64, 1, 2, 9.0);
  add(128, 1, 1, 9.0);
  Tally tally = TallyOf(outcomes, 64, 1);
  EXPECT_EQ(tally.less, 1);
  EXPECT_EQ(tally.equal, 1);
  EXPECT_EQ(tally.more, 1);
  EXPECT_EQ(tally.slower, 0);
  EXPECT_EQ(tally.decided(), 2);
  EXPECT_DOUBLE_EQ(tally.first_underrun, 1.5);
  EXPECT_DOUBLE_EQ(tally.other_underrun, 1.75);
  tally.Add(tally);
  EXPECT_EQ(tally.less, 2);
}

// Past what the GPU can do: its steps take three times as long.
ComparisonOptions Small() {
  ComparisonOptions options;
  options.run.gpu.slowdown = 3;
  options.run.warm_up = 8;
  options.run.measured = 8;
  options.run.tail = 4;
  options.ways = {Deadline(), FirstCome(), FixedChunks()};
  return options;
}

// Of each way the setting nearest to deadline scheduling's first audio; all figures are the same
// wherever this runs.
ComparisonOptions OneSettingEach() {
  ComparisonOptions options;
  options.run.warm_up = 45;
  options.run.measured = 8;
  options.run.tail = 10;
  options.ways = {Deadline(), FirstCome(), FixedChunks()};
  options.ways[1].settings = {FirstCome().settings.back()};
  options.ways[2].settings = {FixedChunks().settings.front()};
  options.seeds = {1};
  return options;
}

TEST(Comparison, NobodyUnderrunsAtLowLoad) {
  ComparisonOptions options = OneSettingEach();
  options.loads = {64};
  for (const Outcome& outcome : RunAll(options)) {
    EXPECT_EQ(outcome.summary.underrun, 0);
    EXPECT_LT(outcome.summary.first_audio_p95, outcome.way == 2 ? 0.060 : 0.040);
    EXPECT_GT(outcome.summary.clients, 10);
    EXPECT_EQ(outcome.summary.refused, 0);
  }
}

TEST(Comparison, DeadlinesLeaveLessUnderrunWhereTheGpuIsFull) {
  ComparisonOptions options = OneSettingEach();
  options.loads = {560};  // before all that they bring has come
  const std::vector<Outcome> outcomes = RunAll(options);
  EXPECT_EQ(TallyOf(outcomes, 560, 1).less, 1);
  EXPECT_EQ(TallyOf(outcomes, 560, 2).less, 1);
  EXPECT_LT(outcomes[0].summary.underrun, 0.6 * outcomes[1].summary.underrun);
  EXPECT_LT(outcomes[0].summary.first_audio_p95, 1.05 * outcomes[1].summary.first_audio_p95);
}

TEST(Comparison, DoesNotDependOnThreads) {
  ComparisonOptions options = Small();
  options.loads = {32};
  options.seeds = {1, 2};
  options.threads = 1;
  const std::string alone = Json(options, RunAll(options));
  options.threads = 3;
  EXPECT_EQ(Json(options, RunAll(options)), alone);
}

}  // namespace
}  // namespace shoal::simulation
