#include "services/ar_engine/policy/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

SamplingParams Plain() {
  SamplingParams params;
  params.temperature = 1;
  params.top_p = 1;
  params.top_k = 0;
  return params;
}

DrawKey KeyOf(uint32_t frame) { return {.seed = 7, .turn = 0, .frame = frame, .codebook = 0}; }

std::vector<float> RandomRow(size_t size, uint32_t seed, float deviation) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> row(size);
  for (float& logit : row) logit = normal(random);
  return row;
}

std::vector<float> Probabilities(const std::vector<float>& row, const SamplingParams& params,
                                 const std::vector<int32_t>& history = {}) {
  std::vector<float> result(row.size());
  FilteredProbabilities(row, history, params, absl::MakeSpan(result));
  return result;
}

std::vector<int> Support(const std::vector<float>& probabilities) {
  std::vector<int> support;
  for (size_t i = 0; i < probabilities.size(); ++i) {
    if (probabilities[i] > 0) support.push_back(static_cast<int>(i));
  }
  return support;
}

// The rules of the filters written down as plainly as they can be.
std::vector<int> PlainSupport(const std::vector<float>& row, const SamplingParams& params) {
  std::vector<int> ranked(row.size());
  std::iota(ranked.begin(), ranked.end(), 0);
  std::stable_sort(ranked.begin(), ranked.end(), [&](int a, int b) { return row[a] > row[b]; });
  if (params.top_k > 0 && params.filter_order == FilterOrder::kTopKFirst &&
      params.top_k < static_cast<int>(ranked.size())) {
    ranked.resize(params.top_k);
  }
  double sum = 0, cumulative = 0;
  for (const int i : ranked) sum += std::exp(static_cast<double>(row[i]) - row[ranked[0]]);
  std::vector<int> kept;
  for (size_t rank = 0; rank < ranked.size(); ++rank) {
    cumulative += std::exp(static_cast<double>(row[ranked[rank]]) - row[ranked[0]]) / sum;
    const bool dropped = (params.top_k > 0 && static_cast<int>(rank) >= params.top_k) ||
                         (params.top_p < 1 && cumulative > params.top_p);
    if (rank == 0 || !dropped) kept.push_back(ranked[rank]);
  }
  std::sort(kept.begin(), kept.end());
  return kept;
}

TEST(SamplerTest, FiltersMatchThePlainRulesForManySizes) {
  uint32_t seed = 0;
  for (const size_t size : {1, 2, 3, 65, 257, 600, 1025, 4097}) {
    for (const float deviation : {0.01f, 1.0f, 4.0f}) {
      for (const int top_k : {0, 1, 2, 30, 500, 5000}) {
        for (const float top_p : {0.0f, 0.3f, 0.8f, 0.995f, 1.0f}) {
          SamplingParams params = Plain();
          params.top_k = top_k;
          params.top_p = top_p;
          params.filter_order = ++seed % 2 ? FilterOrder::kTopKFirst : FilterOrder::kFullSoftmax;
          const std::vector<float> row = RandomRow(size, seed, deviation);
          ASSERT_EQ(Support(Probabilities(row, params)), PlainSupport(row, params))
              << "size " << size << " deviation " << deviation << " top_k " << top_k << " top_p "
              << top_p << " seed " << seed;
        }
      }
    }
  }
}

TEST(SamplerTest, TiesGoToTheLowestIndex) {
  std::vector<float> row(50, 1.0f);
  row[3] = 0.5f;
  SamplingParams params = Plain();
  params.temperature = 0;
  EXPECT_EQ(DrawSemantic(row, {}, params, KeyOf(0)).index, 0);
  params.temperature = 1;
  params.top_k = 5;
  EXPECT_THAT(Support(Probabilities(row, params)), ElementsAre(0, 1, 2, 4, 5));
}

TEST(SamplerTest, RoundingToBf16ChangesWhatIsBest) {
  // One step of bf16 at 4.0 is 2^-5: the two best logits become equal, and the lower index wins.
  const std::vector<float> row = {1.0f, 4.001f, 4.002f};
  SamplingParams params = Plain();
  params.temperature = 0;
  EXPECT_EQ(DrawSemantic(row, {}, params, KeyOf(0)).index, 2);
  EXPECT_EQ(DrawResidual(row, false, params, KeyOf(0)), 2);
  params.round_logits_to_bf16 = true;
  EXPECT_EQ(DrawSemantic(row, {}, params, KeyOf(0)).index, 1);
  EXPECT_EQ(DrawResidual(row, false, params, KeyOf(0)), 1);
}

TEST(SamplerTest, RoundingToBf16IsToNearestEven) {
  // Halfway between 1 and 1 + 2^-7 rounds down to the even 1; halfway above it rounds up.
  SamplingParams params = Plain();
  params.temperature = 0;
  params.round_logits_to_bf16 = true;
  EXPECT_EQ(DrawSemantic({1.0f, 1.0f + 0x1p-8f}, {}, params, KeyOf(0)).index, 0);
  EXPECT_EQ(DrawSemantic({1.0f + 0x1p-7f, 1.0f + 3 * 0x1p-8f}, {}, params, KeyOf(0)).index, 1);
}

TEST(SamplerTest, PenaltyLooksBackNoFurtherThanItsWindow) {
  const std::vector<float> row = {2.0f, 1.5f, -1.0f, 1.4f};
  SamplingParams params = Plain();
  params.temperature = 0;
  params.repetition_penalty = 2;
  params.penalty_window = 2;
  EXPECT_EQ(DrawSemantic(row, {0, 1}, params, KeyOf(2)).index, 3);
  EXPECT_EQ(DrawSemantic(row, {0, 1, 3}, params, KeyOf(3)).index, 0);
  EXPECT_EQ(DrawSemantic(row, {0, 0, 0}, params, KeyOf(3)).index, 1) << "penalised once only";
  params.penalty_window = 0;
  EXPECT_EQ(DrawSemantic(row, {0}, params, KeyOf(1)).index, 0);
}

TEST(SamplerTest, PenaltyLowersNegativeLogitsToo) {
  SamplingParams params = Plain();
  params.temperature = 0;
  params.repetition_penalty = 1.5f;
  EXPECT_EQ(DrawSemantic({-1.0f, -1.2f}, {0}, params, KeyOf(1)).index, 1);
}

TEST(SamplerTest, ResidualDrawsKnowNoPenalty) {
  SamplingParams params = Plain();
  params.temperature = 0;
  params.repetition_penalty = 10;
  EXPECT_EQ(DrawResidual({2.0f, 1.0f}, false, params, KeyOf(1)), 0);
}

TEST(SamplerTest, ARowThatIsNotFiniteHasNoDraw) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {inf, -inf, std::numeric_limits<float>::quiet_NaN()}) {
    for (const float temperature : {0.0f, 1.0f}) {
      SamplingParams params = Plain();
      params.temperature = temperature;
      std::vector<float> row(40, 1.0f);
      row[17] = bad;
      EXPECT_LT(DrawSemantic(row, {}, params, KeyOf(0)).index, 0);
      EXPECT_LT(DrawResidual(row, false, params, KeyOf(0)), 0);
      EXPECT_THAT(Probabilities(row, params), Each(0.0f));
    }
  }
}

TEST(SamplerTest, ADrawIsAFunctionOfItsKey) {
  const std::vector<float> row = RandomRow(257, 1, 1.0f);
  std::vector<int32_t> first, again;
  for (uint32_t frame = 0; frame < 200; ++frame) {
    first.push_back(DrawSemantic(row, {}, Plain(), KeyOf(frame)).index);
  }
  for (uint32_t frame = 200; frame-- > 0;) {
    again.insert(again.begin(), DrawSemantic(row, {}, Plain(), KeyOf(frame)).index);
  }
  EXPECT_EQ(first, again);
}

TEST(SamplerTest, EveryPartOfTheKeyMatters) {
  const std::vector<float> row(4097, 0.0f);  // 4097 equally likely candidates
  const DrawKey key = {.seed = 1, .turn = 2, .frame = 3, .codebook = 4};
  const int32_t drawn = DrawResidual(row, false, Plain(), key);
  for (DrawKey other : {DrawKey{0x100000001u, 2, 3, 4}, DrawKey{2, 2, 3, 4}, DrawKey{1, 3, 3, 4},
                        DrawKey{1, 2, 4, 4}, DrawKey{1, 2, 3, 5}}) {
    EXPECT_NE(DrawResidual(row, false, Plain(), other), drawn);
  }
}

// The race runs between the same numbers whichever filter ran: when the winner of all survives a
// filter, it wins among what the filter left.
TEST(SamplerTest, TheWinnerStaysTheWinnerWhenOthersAreDropped) {
  const std::vector<float> row = RandomRow(257, 5, 2.0f);
  SamplingParams filtered = Plain();
  filtered.top_k = 20;
  const std::vector<float> kept = Probabilities(row, filtered);
  int compared = 0;
  for (uint32_t frame = 0; frame < 300; ++frame) {
    const int32_t all = DrawSemantic(row, {}, Plain(), KeyOf(frame)).index;
    if (kept[all] == 0) continue;
    EXPECT_EQ(DrawSemantic(row, {}, filtered, KeyOf(frame)).index, all);
    ++compared;
  }
  EXPECT_GT(compared, 50);
}

TEST(SamplerTest, LowTemperatureIsGreedyInTheLimit) {
  const std::vector<float> row = RandomRow(257, 9, 1.0f);
  SamplingParams greedy = Plain(), cold = Plain();
  greedy.temperature = 0;
  cold.temperature = 1e-9f;
  for (uint32_t frame = 0; frame < 50; ++frame) {
    EXPECT_EQ(DrawSemantic(row, {}, cold, KeyOf(frame)).index,
              DrawSemantic(row, {}, greedy, KeyOf(frame)).index);
  }
}

TEST(SamplerTest, AuthorsRuleDrawsAgainWithAnotherNumber) {
  const std::vector<float> row = {0.0f, 8.0f, 7.9f, 7.8f, 7.7f, 0.0f};
  SamplingParams params = Plain();
  params.temperature = 0;
  params.ras = {RasParams::Rule::kAuthors, 10, 1.0f, 1.0f};
  EXPECT_EQ(DrawSemantic(row, {1, 2, 3}, params, KeyOf(3)).index, 1) << "the first frame is not in";
  std::map<int32_t, int> drawn;
  for (uint32_t frame = 3; frame < 1003; ++frame) {
    const SemanticDraw draw = DrawSemantic(row, {2, 1, 3}, params, KeyOf(frame));
    EXPECT_FALSE(draw.hot);
    ++drawn[draw.index];
  }
  EXPECT_GT(drawn[2], 150);  // expected: 29, 26, 24 and 21 percent
  EXPECT_GT(drawn[3], 150);
  EXPECT_GT(drawn[4], 150);
}

TEST(SamplerTest, AuthorsRuleLeavesEosAlone) {
  SamplingParams params = Plain();
  params.temperature = 0;
  params.ras = {RasParams::Rule::kAuthors, 10, 1.0f, 1.0f};
  for (uint32_t frame = 2; frame < 40; ++frame) {
    EXPECT_EQ(DrawSemantic({3.0f, 3.1f}, {0, 1}, params, KeyOf(frame)).index, 1);
  }
}

TEST(SamplerTest, WindowRuleMakesTheWholeFrameHot) {
  const std::vector<float> row = {4.0f, 3.9f, 3.8f, 0.0f};
  SamplingParams params = Plain();
  params.temperature = 0;
  params.ras = {RasParams::Rule::kWindow, 4, 1.0f, 1.0f};
  EXPECT_FALSE(DrawSemantic(row, {1, 1, 2, 3, 4, 5}, params, KeyOf(6)).hot);
  std::map<int32_t, int> semantic, residual;
  for (uint32_t frame = 0; frame < 600; ++frame) {
    const SemanticDraw draw = DrawSemantic(row, {9, 1, 2, 3, 1}, params, KeyOf(frame));
    EXPECT_TRUE(draw.hot);
    ++semantic[draw.index];
    DrawKey key = KeyOf(frame);
    key.codebook = 1;
    EXPECT_EQ(DrawResidual(row, false, params, key), 0);
    ++residual[DrawResidual(row, draw.hot, params, key)];
  }
  EXPECT_GT(semantic.size(), 2u);
  EXPECT_GT(residual.size(), 2u);
  params.residual_greedy = true;
  EXPECT_EQ(DrawResidual(row, true, params, KeyOf(0)), 0);
}

}  // namespace
}  // namespace shoal::engine
