// Pearson's chi-square test for the tests of the sampler. Draws come from fixed keys, so a test
// that passes once passes always; the bounds say how unlikely a right sampler would be to fail at
// first.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_CHI_SQUARE_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_CHI_SQUARE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace shoal::engine {

// Statistics of independent samples may be added.
struct ChiSquare {
  double statistic = 0;
  int freedom =
      0;  // degrees of it; 0: the distribution is one point, or all of it too rare to test

  // By how many standard deviations of a normal distribution the draws are too far from the
  // expectation (below 0: nearer than chance would have it). Wilson and Hilferty (1931).
  double Deviation() const {
    if (std::isinf(statistic)) return statistic;
    if (freedom == 0) return 0;
    const double spread = 2.0 / (9.0 * freedom);
    return (std::cbrt(statistic / freedom) - (1.0 - spread)) / std::sqrt(spread);
  }
  ChiSquare& operator+=(const ChiSquare& other) {
    statistic += other.statistic;
    freedom += other.freedom;
    return *this;
  }
};

// How often each of `size` candidates was drawn; draw(i) is the i-th draw.
inline std::vector<int> Count(size_t size, int draws,
                              const std::function<int32_t(uint32_t)>& draw) {
  std::vector<int> counts(size);
  for (int i = 0; i < draws; ++i) ++counts.at(draw(static_cast<uint32_t>(i)));
  return counts;
}

// How often a right sampler exceeds it: about once in 300,000 tests (one-sided, 4.5 deviations).
constexpr double kTooFar = 4.5;

// Of counts against probabilities that sum to 1. What is expected fewer than 8 times counts as one
// class, or as part of the rarest class if all of it is. Infinite where something was drawn that
// never may be.
template <typename Probability>
ChiSquare ChiSquareOf(const std::vector<int>& counts,
                      const std::vector<Probability>& probabilities) {
  constexpr double kLeast = 8;
  struct Class {
    double expected = 0, counted = 0;
  };
  double draws = 0;
  for (const int count : counts) draws += count;
  std::vector<Class> classes;
  Class rest;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = static_cast<double>(probabilities[i]) * draws;
    if (expected == 0 && counts[i] > 0) return {std::numeric_limits<double>::infinity(), 0};
    if (expected >= kLeast) classes.push_back({expected, static_cast<double>(counts[i])});
    if (expected < kLeast) rest = {rest.expected + expected, rest.counted + counts[i]};
  }
  if (rest.expected >= kLeast) {
    classes.push_back(rest);
  } else if (!classes.empty()) {
    Class& rarest =
        *std::min_element(classes.begin(), classes.end(),
                          [](const Class& a, const Class& b) { return a.expected < b.expected; });
    rarest = {rarest.expected + rest.expected, rarest.counted + rest.counted};
  }
  if (classes.size() < 2) return {};
  ChiSquare result;
  for (const Class& c : classes) {
    result.statistic += (c.counted - c.expected) * (c.counted - c.expected) / c.expected;
  }
  result.freedom = static_cast<int>(classes.size()) - 1;
  return result;
}

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_CHI_SQUARE_H_
