// Draws that share most of their key have nothing to do with each other: the pairs of what is drawn
// for neighbouring frames, turns, codebooks and seeds, and by the two draws of the authors' RAS
// rule.
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/sampler.h"
#include "tests/services/ar_engine/policy/chi_square.h"

namespace shoal::engine {
namespace {

// Pairs of draws among 8 equally likely candidates fall into all 64 classes alike.
constexpr int kCandidates = 8;

using Pair = std::function<std::pair<int32_t, int32_t>(uint32_t)>;

ChiSquare PairsAreIndependent(const Pair& pair) {
  constexpr int kPairs = 20000;
  const std::vector<int> counts = Count(kCandidates * kCandidates, kPairs, [&](uint32_t i) {
    const auto [first, second] = pair(i);
    return first * kCandidates + second;
  });
  return ChiSquareOf(counts, std::vector<double>(counts.size(), 1.0 / counts.size()));
}

SamplingParams Everything() {
  SamplingParams params;
  params.temperature = 1;
  params.top_p = 1;
  params.top_k = 0;
  return params;
}

int32_t Drawn(const DrawKey& key) {
  static const std::vector<float> row(kCandidates, 0.0f);
  return key.codebook == 0 ? DrawSemantic(row, {}, Everything(), key).index
                           : DrawResidual(row, false, Everything(), key);
}

TEST(SamplerIndependenceTest, NeighbouringKeys) {
  const DrawKey base = {.seed = 41, .turn = 0, .frame = 0, .codebook = 0};
  const auto check = [&](const char* what, const std::function<void(DrawKey&)>& to_neighbour) {
    for (const int series : {0, 1, 2, 3}) {  // along frames, turns, codebooks, seeds
      const ChiSquare outcome = PairsAreIndependent([&](uint32_t i) {
        DrawKey key = base;
        // Steps of 8: the pairs share no draw.
        if (series == 0) key.frame += 8 * i;
        if (series == 1) key.turn += 8 * i;
        if (series == 2) key.codebook += 8 * i;
        if (series == 3) key.seed += 8 * i;
        DrawKey other = key;
        to_neighbour(other);
        return std::pair(Drawn(key), Drawn(other));
      });
      EXPECT_LT(std::abs(outcome.Deviation()), kTooFar) << what << ", series " << series;
    }
  };
  check("frame + 1", [](DrawKey& key) { key.frame += 1; });
  check("frame + 2", [](DrawKey& key) { key.frame += 2; });
  check("turn + 1", [](DrawKey& key) { key.turn += 1; });
  check("codebook + 1", [](DrawKey& key) { key.codebook += 1; });
  check("codebook + 4", [](DrawKey& key) { key.codebook += 4; });
  check("seed + 1", [](DrawKey& key) { key.seed += 1; });
  check("seed + 2^32", [](DrawKey& key) { key.seed += uint64_t{1} << 32; });
}

// The second draw of the authors' rule knows nothing of the first one.
TEST(SamplerIndependenceTest, TheSecondDrawOfTheAuthorsRule) {
  std::vector<float> row(kCandidates + 1, 0.0f);
  row[kCandidates] = -1000;  // eos
  std::vector<int32_t> history(kCandidates + 1);
  std::iota(history.begin() + 1, history.end(), 0);  // whatever is drawn stands in it
  SamplingParams twice = Everything();
  twice.ras = {RasParams::Rule::kAuthors, kCandidates, 1.0f, 1.0f};
  const ChiSquare outcome = PairsAreIndependent([&](uint32_t i) {
    const DrawKey key = {.seed = 9, .turn = 1, .frame = i, .codebook = 0};
    return std::pair(DrawSemantic(row, history, Everything(), key).index,
                     DrawSemantic(row, history, twice, key).index);
  });
  EXPECT_LT(std::abs(outcome.Deviation()), kTooFar);
}

// Power: one pair in thirty whose second draw repeats the first.
TEST(SamplerIndependenceTest, AWeakDependenceIsNoticed) {
  const ChiSquare outcome = PairsAreIndependent([](uint32_t i) {
    const DrawKey key = {.seed = 13, .turn = 0, .frame = 2 * i, .codebook = 0};
    DrawKey other = key;
    if (i % 30 != 0) other.frame += 1;
    return std::pair(Drawn(key), Drawn(other));
  });
  EXPECT_GT(outcome.Deviation(), kTooFar);
}

}  // namespace
}  // namespace shoal::engine
