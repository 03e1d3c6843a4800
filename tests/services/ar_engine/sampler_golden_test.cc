// The sampler against the reference implementations: filters in both orders, RAS in both rules.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/sampler.h"
#include "tests/support/golden.h"

namespace shoal::engine {
namespace {

const char kFilterFile[] = "generate/filter.safetensors";

struct FilterCase {
  std::vector<float> logits;
  std::vector<int32_t> history;
  SamplingParams params;
  std::vector<float> topk_first, full_softmax;
};

std::vector<FilterCase> FilterCases() {
  const testing::GoldenFile file(kFilterFile);
  const auto logits = file.F32("logits"), numbers = file.F32("params");
  const auto topk_first = file.F32("probs_topk_first"), full = file.F32("probs_full_softmax");
  const auto history = file.I32("history");
  const int64_t count = file.Shape("logits")[0], width = file.Shape("logits")[1];
  const int64_t history_width = file.Shape("history")[1];
  std::vector<FilterCase> cases(count);
  for (int64_t i = 0; i < count; ++i) {
    FilterCase& c = cases[i];
    auto row = [&](const std::vector<float>& all) {
      return std::vector<float>(all.begin() + i * width, all.begin() + (i + 1) * width);
    };
    c.logits = row(logits);
    c.topk_first = row(topk_first);
    c.full_softmax = row(full);
    for (int64_t j = i * history_width; j < (i + 1) * history_width; ++j) {
      if (history[j] >= 0) c.history.push_back(history[j]);
    }
    c.params.temperature = numbers[4 * i];
    c.params.top_p = numbers[4 * i + 1];
    c.params.top_k = static_cast<int>(numbers[4 * i + 2]);
    c.params.repetition_penalty = numbers[4 * i + 3];
    c.params.penalty_window = static_cast<int>(history_width);
  }
  return cases;
}

// The reference sums probabilities in float32, so a candidate whose cumulative probability is this
// near to top_p may fall on either side there (at top_p 1 it loses its last candidate to rounding
// in about every seventh row). Here sums are double, and top_p 1 is off.
constexpr double kFloat32Noise = 1e-6;

// Whether the reference's choice between keeping and dropping each candidate was within noise.
std::vector<bool> Doubtful(const FilterCase& c, FilterOrder order) {
  SamplingParams params = c.params;
  params.temperature = 1;
  params.top_p = 2;
  params.filter_order = order;
  if (order == FilterOrder::kFullSoftmax) params.top_k = 0;
  std::vector<float> probabilities(c.logits.size());
  FilteredProbabilities(c.logits, c.history, params, absl::MakeSpan(probabilities));
  std::vector<size_t> ranked(probabilities.size());
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](size_t x, size_t y) { return probabilities[x] > probabilities[y]; });
  std::vector<bool> doubtful(probabilities.size());
  double cumulative = 0;
  for (const size_t i : ranked) {
    cumulative += probabilities[i];
    doubtful[i] = std::abs(cumulative - c.params.top_p) < kFloat32Noise;
  }
  return doubtful;
}

std::vector<float> Found(const FilterCase& c, FilterOrder order) {
  SamplingParams params = c.params;
  params.filter_order = order;
  std::vector<float> found(c.logits.size());
  FilteredProbabilities(c.logits, c.history, params, absl::MakeSpan(found));
  return found;
}

bool SameSupport(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return (x > 0) == (y > 0); });
}

void ExpectProbabilities(const FilterCase& c, FilterOrder order,
                         const std::vector<float>& expected) {
  const std::vector<float> found = Found(c, order);
  const std::vector<bool> doubtful = Doubtful(c, order);
  double shared = 0;  // probability of what both kept
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE((found[i] > 0) == (expected[i] > 0) || doubtful[i])
        << "candidate " << i << ": " << found[i] << " instead of " << expected[i];
    if (expected[i] > 0) shared += found[i];
  }
  const double atol = testing::GoldenTolerance(kFilterFile, {"atol"});
  for (size_t i = 0; i < found.size(); ++i) {
    if (expected[i] == 0) continue;
    EXPECT_NEAR(found[i] / shared, expected[i], atol) << "candidate " << i;
  }
}

TEST(SamplerGoldenTest, FiltersInBothOrders) {
  const std::vector<FilterCase> cases = FilterCases();
  ASSERT_FALSE(cases.empty());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    ExpectProbabilities(cases[i], FilterOrder::kTopKFirst, cases[i].topk_first);
    ExpectProbabilities(cases[i], FilterOrder::kFullSoftmax, cases[i].full_softmax);
  }
}

// Pearson's statistic of draws against the expected distribution, candidates of small expectation
// counted as one. Returns {statistic, degrees of freedom}.
std::pair<double, int> ChiSquare(const std::vector<int>& counts, const std::vector<float>& expected,
                                 int draws) {
  double statistic = 0, rest_expected = 0, rest_counted = 0;
  int classes = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double mean = static_cast<double>(expected[i]) * draws;
    if (mean < 8) {
      rest_expected += mean;
      rest_counted += counts[i];
      continue;
    }
    statistic += (counts[i] - mean) * (counts[i] - mean) / mean;
    ++classes;
  }
  if (rest_expected >= 8) {
    statistic += (rest_counted - rest_expected) * (rest_counted - rest_expected) / rest_expected;
    ++classes;
  }
  return {statistic, classes - 1};
}

// How many standard deviations a chi-square statistic lies above its mean (Wilson and Hilferty).
double Deviations(double statistic, int freedom) {
  const double spread = 2.0 / (9.0 * freedom);
  return (std::cbrt(statistic / freedom) - (1.0 - spread)) / std::sqrt(spread);
}

// Draws over many frames and turns follow the reference's probabilities. The keys are fixed, so the
// outcome is too.
TEST(SamplerGoldenTest, DrawsFollowTheDistribution) {
  constexpr int kDraws = 4000;
  int tested = 0;
  for (const FilterCase& c : FilterCases()) {
    for (const FilterOrder order : {FilterOrder::kTopKFirst, FilterOrder::kFullSoftmax}) {
      const auto& expected = order == FilterOrder::kTopKFirst ? c.topk_first : c.full_softmax;
      if (!SameSupport(Found(c, order), expected)) continue;  // see kFloat32Noise
      SamplingParams params = c.params;
      params.filter_order = order;
      std::vector<int> counts(c.logits.size());
      for (int draw = 0; draw < kDraws; ++draw) {
        const DrawKey key = {.seed = 0x5ca1ab1e0000u + tested,
                             .turn = static_cast<uint32_t>(draw % 7),
                             .frame = static_cast<uint32_t>(draw),
                             .codebook = 0};
        const SemanticDraw drawn = DrawSemantic(c.logits, c.history, params, key);
        ASSERT_GE(drawn.index, 0);
        EXPECT_GT(expected[drawn.index], 0) << "drew a candidate that the filters drop";
        ++counts[drawn.index];
      }
      const auto [statistic, freedom] = ChiSquare(counts, expected, kDraws);
      if (freedom > 0) {
        EXPECT_LT(Deviations(statistic, freedom), 5.0)
            << "case " << tested << ": " << statistic << " at " << freedom << " degrees of freedom";
      }
      ++tested;
    }
  }
  EXPECT_GT(tested, 0);
}

TEST(SamplerGoldenTest, AuthorsRule) {
  const nlohmann::json golden = testing::GoldenJson("generate/ras.json")["authors"];
  const nlohmann::json config = testing::GoldenJson("checkpoint/config.json");
  const int first_id = config["semantic_start_token_id"], last_id = config["semantic_end_token_id"];
  const int eos = last_id + 1 - first_id;
  auto index_of = [&](int id) { return id >= first_id && id <= last_id ? id - first_id : eos; };
  const int window = golden["window"];
  int redrawn = 0;
  ASSERT_FALSE(golden["cases"].empty());
  for (const nlohmann::json& c : golden["cases"]) {
    std::vector<int32_t> history = {index_of(c["first_token"])};
    for (size_t i = 0; i < c["draws"].size(); ++i) {
      const int normal = c["draws"][i][0], high = c["draws"][i][1];
      const bool redraw =
          index_of(normal) != eos && RepeatsByAuthorsRule(index_of(normal), history, window);
      EXPECT_EQ(redraw ? high : normal, c["chosen"][i].get<int>()) << "draw " << i;
      redrawn += redraw;
      history.push_back(index_of(c["chosen"][i]));
    }
  }
  EXPECT_GT(redrawn, 0);
}

TEST(SamplerGoldenTest, WindowRule) {
  const nlohmann::json golden = testing::GoldenJson("generate/ras.json")["sglang"];
  ASSERT_FALSE(golden["cases"].empty());
  for (const nlohmann::json& c : golden["cases"]) {
    const std::vector<int32_t> history = c["history"];
    EXPECT_EQ(RepeatsByWindowRule(history, golden["window"]), c["use_ras"].get<bool>())
        << c["history"].dump();
  }
}

}  // namespace
}  // namespace shoal::engine
