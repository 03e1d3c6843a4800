// What the sampler draws, many times over, is distributed as its rules say: chi-square tests
// against probabilities computed here from the rules, for every filter and both RAS rules; that
// such a test would notice a distribution that is a little wrong; and that draws which share most
// of their key have nothing to do with each other.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/sampler.h"
#include "tests/services/ar_engine/policy/chi_square.h"

namespace shoal::engine {
namespace {

using Probabilities = std::vector<double>;

std::vector<float> Row(size_t size, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> row(size);
  for (float& logit : row) logit = normal(random);
  return row;
}

// The rules in plain words: rank; top-k; top-p of the softmax of what top-k left, or of all; then
// the softmax of the rest at the temperature.
Probabilities Expected(const std::vector<float>& row, const SamplingParams& params) {
  std::vector<size_t> ranked(row.size());
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](size_t a, size_t b) { return row[a] > row[b]; });
  const size_t top_k = params.top_k > 0 ? std::min<size_t>(params.top_k, row.size()) : row.size();
  const size_t summed = params.filter_order == FilterOrder::kTopKFirst ? top_k : row.size();
  auto weight = [&](size_t rank, double temperature) {
    return std::exp((static_cast<double>(row[ranked[rank]]) - row[ranked[0]]) / temperature);
  };
  double sum = 0, cumulative = 0, kept = 0;
  for (size_t rank = 0; rank < summed; ++rank) sum += weight(rank, 1);
  Probabilities result(row.size());
  for (size_t rank = 0; rank < top_k; ++rank) {
    cumulative += weight(rank, 1) / sum;
    if (rank > 0 && params.top_p < 1 && cumulative > params.top_p) break;
    kept += result[ranked[rank]] = weight(rank, params.temperature);
  }
  for (double& p : result) p /= kept;
  return result;
}

SamplingParams Hot(SamplingParams params) {
  params.temperature = params.ras.temperature;
  params.top_p = params.ras.top_p;
  return params;
}

// Frame and turn change from draw to draw.
DrawKey KeyOf(uint64_t seed, uint32_t draw, uint32_t codebook) {
  return {.seed = seed, .turn = draw % 5, .frame = draw / 5, .codebook = codebook};
}

std::string Words(const SamplingParams& params) {
  return "temperature " + std::to_string(params.temperature) + " top_p " +
         std::to_string(params.top_p) + " top_k " + std::to_string(params.top_k) +
         (params.filter_order == FilterOrder::kTopKFirst ? " top-k first" : " full softmax");
}

// Every combination of settings that a request may have.
std::vector<SamplingParams> Settings() {
  std::vector<SamplingParams> settings;
  for (const float temperature : {0.3f, 0.8f, 1.5f}) {
    for (const int top_k : {0, 4, 30}) {
      for (const float top_p : {0.5f, 0.9f, 1.0f}) {
        for (const FilterOrder order : {FilterOrder::kTopKFirst, FilterOrder::kFullSoftmax}) {
          SamplingParams params;
          params.temperature = temperature;
          params.top_k = top_k;
          params.top_p = top_p;
          params.filter_order = order;
          settings.push_back(params);
        }
      }
    }
  }
  return settings;
}

TEST(SamplerStatisticsTest, SemanticAndResidualDrawsFollowTheRules) {
  constexpr int kDraws = 3000;
  ChiSquare all;
  uint64_t seed = 0x51a7u;
  for (const size_t size : {12, 80}) {
    const std::vector<float> row = Row(size, static_cast<uint32_t>(size), 1.5f);
    for (const SamplingParams& params : Settings()) {
      SCOPED_TRACE(Words(params));
      const Probabilities expected = Expected(row, params);
      ++seed;
      const ChiSquare semantic = ChiSquareOf(
          Count(size, kDraws,
                [&](uint32_t i) { return DrawSemantic(row, {}, params, KeyOf(seed, i, 0)).index; }),
          expected);
      EXPECT_LT(semantic.Deviation(), kTooFar);
      const ChiSquare residual =
          ChiSquareOf(Count(size, kDraws,
                            [&](uint32_t i) {
                              return DrawResidual(row, false, params, KeyOf(seed, i, 1 + i % 9));
                            }),
                      expected);
      EXPECT_LT(residual.Deviation(), kTooFar);
      all += semantic;
      all += residual;
    }
  }
  EXPECT_GT(all.freedom, 1000);
  EXPECT_LT(std::abs(all.Deviation()), kTooFar) << "all together, too near or too far";
}

TEST(SamplerStatisticsTest, PenalisedDrawsFollowTheRules) {
  constexpr int kDraws = 20000;
  const std::vector<float> row = Row(40, 3, 1.5f);
  const std::vector<int32_t> history = {1, 5, 5, 9, 12};
  SamplingParams params;
  params.top_p = 0.95f;
  params.repetition_penalty = 1.4f;
  std::vector<float> penalised = row;
  for (const int32_t code : {1, 5, 9, 12}) penalised[code] *= row[code] > 0 ? 1 / 1.4f : 1.4f;
  const std::vector<int> counts = Count(row.size(), kDraws, [&](uint32_t i) {
    return DrawSemantic(row, history, params, KeyOf(77, i, 0)).index;
  });
  EXPECT_LT(ChiSquareOf(counts, Expected(penalised, params)).Deviation(), kTooFar);
  EXPECT_GT(ChiSquareOf(counts, Expected(row, params)).Deviation(), kTooFar);
}

SamplingParams WithRas(RasParams::Rule rule) {
  SamplingParams params;
  params.temperature = 0.7f;
  params.top_p = 0.9f;
  params.top_k = 20;
  params.ras = {.rule = rule, .window = 4, .temperature = 1.3f, .top_p = 0.97f};
  return params;
}

// By the authors' rule: what the first draw gives, if it is not among the last ones or is eos; or
// else what the second one gives.
TEST(SamplerStatisticsTest, AuthorsRuleFollowsItsDistribution) {
  constexpr int kDraws = 20000;
  std::vector<float> row = Row(30, 11, 1.0f);
  row[29] = 2;  // eos is likely, and not drawn again
  // Four likely codes; the first frame's, 8, does not count.
  std::vector<size_t> ranked(29);
  std::iota(ranked.begin(), ranked.end(), size_t{0});
  std::sort(ranked.begin(), ranked.end(), [&](size_t a, size_t b) { return row[a] > row[b]; });
  const std::vector<int32_t> repeated(ranked.begin(), ranked.begin() + 4);
  std::vector<int32_t> history = {static_cast<int32_t>(ranked[4])};
  history.insert(history.end(), repeated.begin(), repeated.end());
  for (const FilterOrder order : {FilterOrder::kTopKFirst, FilterOrder::kFullSoftmax}) {
    SamplingParams params = WithRas(RasParams::Rule::kAuthors);
    params.filter_order = order;
    const Probabilities normal = Expected(row, params), hot = Expected(row, Hot(params));
    Probabilities expected = normal;
    double redrawn = 0;
    for (const int32_t code : repeated) redrawn += std::exchange(expected[code], 0.0);
    ASSERT_GT(redrawn, 0.2);
    for (size_t i = 0; i < row.size(); ++i) expected[i] += redrawn * hot[i];
    const std::vector<int> counts = Count(row.size(), kDraws, [&](uint32_t i) {
      return DrawSemantic(row, history, params, KeyOf(0xa0, i, 0)).index;
    });
    EXPECT_LT(ChiSquareOf(counts, expected).Deviation(), kTooFar) << Words(params);
    EXPECT_GT(ChiSquareOf(counts, normal).Deviation(), kTooFar);
    EXPECT_GT(ChiSquareOf(counts, hot).Deviation(), kTooFar);
  }
}

// By the window rule the whole frame is drawn at the hot setting, or none of it.
TEST(SamplerStatisticsTest, WindowRuleFollowsItsDistribution) {
  constexpr int kDraws = 20000;
  const std::vector<float> row = Row(30, 12, 1.0f);
  const std::vector<int32_t> repeating = {1, 2, 3, 2}, fresh = {2, 1, 2, 3, 4};
  for (const FilterOrder order : {FilterOrder::kTopKFirst, FilterOrder::kFullSoftmax}) {
    SamplingParams params = WithRas(RasParams::Rule::kWindow);
    params.filter_order = order;
    for (const bool hot : {false, true}) {
      SCOPED_TRACE(Words(params) + (hot ? " hot" : ""));
      const auto& history = hot ? repeating : fresh;
      const Probabilities expected = Expected(row, hot ? Hot(params) : params);
      const Probabilities other = Expected(row, hot ? params : Hot(params));
      const std::vector<int> semantic = Count(row.size(), kDraws, [&](uint32_t i) {
        const SemanticDraw draw = DrawSemantic(row, history, params, KeyOf(0xb0, i, 0));
        EXPECT_EQ(draw.hot, hot);
        return draw.index;
      });
      const std::vector<int> residual = Count(row.size(), kDraws, [&](uint32_t i) {
        return DrawResidual(row, hot, params, KeyOf(0xb0, i, 3));
      });
      for (const std::vector<int>& counts : {semantic, residual}) {
        EXPECT_LT(ChiSquareOf(counts, expected).Deviation(), kTooFar);
        EXPECT_GT(ChiSquareOf(counts, other).Deviation(), kTooFar);
      }
    }
  }
}

// Power: the same counts against distributions that are a little wrong.
TEST(SamplerStatisticsTest, ASlightlyWrongDistributionIsNoticed) {
  constexpr int kDraws = 60000;
  const std::vector<float> row = Row(60, 21, 1.2f);
  SamplingParams params;
  params.temperature = 0.8f;
  params.top_p = 0.9f;
  params.top_k = 30;
  const std::vector<int> counts = Count(row.size(), kDraws, [&](uint32_t i) {
    return DrawSemantic(row, {}, params, KeyOf(5, i, 0)).index;
  });
  const Probabilities right = Expected(row, params);
  EXPECT_LT(ChiSquareOf(counts, right).Deviation(), kTooFar);
  auto expect_noticed = [&](const SamplingParams& wrong) {
    EXPECT_GT(ChiSquareOf(counts, Expected(row, wrong)).Deviation(), kTooFar) << Words(wrong);
  };
  for (const float temperature : {0.75f, 0.86f}) {
    SamplingParams wrong = params;
    wrong.temperature = temperature;
    expect_noticed(wrong);
  }
  for (const float top_p : {0.88f, 0.92f}) {
    SamplingParams wrong = params;
    wrong.top_p = top_p;
    expect_noticed(wrong);
  }
  SamplingParams wrong_order = params;
  wrong_order.filter_order = FilterOrder::kFullSoftmax;
  expect_noticed(wrong_order);
  // A fiftieth of all draws goes from the best candidate to the second.
  Probabilities shifted = right;
  const auto best = std::max_element(shifted.begin(), shifted.end());
  const double moved = 0.02;
  const double most = *best;
  *best = 0;
  const auto second = std::max_element(shifted.begin(), shifted.end());
  *best = most - moved;
  *second += moved;
  EXPECT_GT(ChiSquareOf(counts, shifted).Deviation(), kTooFar);
}

}  // namespace
}  // namespace shoal::engine
