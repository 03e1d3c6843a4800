// The sampler against the reference implementations: filters in both orders, RAS in both rules.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/policy/sampler.h"
#include "tests/services/ar_engine/policy/chi_square.h"
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

// Which candidates the reference keeps, computed in float32 as PyTorch computes it on processors
// with AVX2: exponentials, their sum in 8 lanes, a multiplication by its inverse, and cumulative
// sums that are rounded from double. At top_p 1, which is off here, its probabilities may sum up to
// 1.0000001, and then its last candidates, of any probability, are beyond top_p. (Which rows that
// hits depends on the order of the sum: on a processor without AVX2 the reference keeps what it
// drops here, and the other way round.)
std::vector<bool> KeptInFloat32(const FilterCase& c, FilterOrder order) {
  std::vector<float> row = c.logits;
  for (const int32_t code : std::set<int32_t>(c.history.begin(), c.history.end())) {
    const float penalty = c.params.repetition_penalty;
    row[code] = row[code] < 0 ? row[code] * penalty : row[code] / penalty;
  }
  std::vector<size_t> ranked(row.size());
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](size_t x, size_t y) { return row[x] > row[y]; });
  const size_t top_k = c.params.top_k > 0 ? c.params.top_k : row.size();
  if (order == FilterOrder::kTopKFirst && top_k < ranked.size()) ranked.resize(top_k);

  std::vector<float> weights;
  for (const size_t i : ranked) {
    weights.push_back(static_cast<float>(std::exp(static_cast<double>(row[i] - row[ranked[0]]))));
  }
  float lanes[8] = {};
  for (size_t i = 0; i < weights.size(); ++i) lanes[i % 8] += weights[i];
  for (int width = 4; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  const float inverse = 1.0f / lanes[0];

  std::vector<bool> kept(row.size());
  double cumulative = 0;
  for (size_t rank = 0; rank < std::min(ranked.size(), top_k); ++rank) {
    cumulative += weights[rank] * inverse;
    kept[ranked[rank]] = rank == 0 || static_cast<float>(cumulative) <= c.params.top_p;
  }
  return kept;
}

std::vector<float> Found(const FilterCase& c, FilterOrder order) {
  SamplingParams params = c.params;
  params.filter_order = order;
  std::vector<float> found(c.logits.size());
  FilteredProbabilities(c.logits, c.history, params, absl::MakeSpan(found));
  return found;
}

std::vector<bool> Kept(const std::vector<float>& probabilities) {
  std::vector<bool> kept;
  for (const float p : probabilities) kept.push_back(p > 0);
  return kept;
}

void ExpectProbabilities(const FilterCase& c, FilterOrder order,
                         const std::vector<float>& expected) {
  const std::vector<float> found = Found(c, order);
  if (Kept(found) != Kept(expected)) {
    EXPECT_GE(c.params.top_p, 1.0f) << "only where the filter is off can float32 be the cause";
    EXPECT_EQ(Kept(expected), KeptInFloat32(c, order));
  }
  double shared = 0;  // probability of what both kept
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(found[i] > 0 || expected[i] == 0) << "dropped candidate " << i;
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

// Draws over many frames and turns follow the reference's probabilities. The keys are fixed, so the
// outcome is too.
TEST(SamplerGoldenTest, DrawsFollowTheDistribution) {
  constexpr int kDraws = 4000;
  int tested = 0;
  ChiSquare all;
  for (const FilterCase& c : FilterCases()) {
    for (const FilterOrder order : {FilterOrder::kTopKFirst, FilterOrder::kFullSoftmax}) {
      const auto& expected = order == FilterOrder::kTopKFirst ? c.topk_first : c.full_softmax;
      if (Kept(Found(c, order)) != Kept(expected)) continue;  // see KeptInFloat32
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
        ++counts[drawn.index];
      }
      const ChiSquare outcome = ChiSquareOf(counts, expected);
      EXPECT_LT(outcome.Deviation(), kTooFar) << "case " << tested << ": " << outcome.statistic
                                              << " at " << outcome.freedom << " degrees of freedom";
      all += outcome;
      ++tested;
    }
  }
  EXPECT_LT(std::abs(all.Deviation()), kTooFar) << "all cases together, too near or too far";
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
