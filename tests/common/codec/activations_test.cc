#include "common/codec/activations.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::codec {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Every size from nothing to what no activation reaches, both signs, and a tail behind the last
// whole vector.
std::vector<float> Arguments() {
  std::vector<float> values = {0.0f, -0.0f, 1e30f, -1e30f, kInfinity, -kInfinity};
  for (float size = 1e-8f; size < 100; size *= 1.01f) {
    values.push_back(size);
    values.push_back(-size);
  }
  while (values.size() % 8 != 5) values.push_back(0.3f);
  return values;
}

TEST(ActivationsTest, TanhMatchesTheLibrary) {
  const std::vector<float> x = Arguments();
  std::vector<float> y = x;
  Tanh(y.data(), static_cast<int64_t>(y.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = std::tanh(static_cast<double>(x[i]));
    EXPECT_NEAR(y[i], expected, 2e-7 * std::abs(expected)) << x[i];
  }
}

TEST(ActivationsTest, GeluMatchesTheLibrary) {
  std::vector<float> x = Arguments();
  for (float& value : x) {
    if (std::isinf(value)) value = 7;
  }
  std::vector<float> y = x;
  Gelu(y.data(), static_cast<int64_t>(y.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double argument = x[i];
    const double expected = 0.5 * argument * (1 + std::erf(argument * M_SQRT1_2));
    EXPECT_NEAR(y[i], expected, 3e-7 * std::abs(argument)) << x[i];
  }
}

TEST(ActivationsTest, WhatIsNoNumberStaysNone) {
  for (const auto function : {static_cast<void (*)(float*, int64_t)>(Gelu),
                              static_cast<void (*)(float*, int64_t)>(Tanh)}) {
    std::vector<float> x(11, 1.0f);
    x[3] = x[10] = std::nanf("");
    function(x.data(), 11);
    for (int i = 0; i < 11; ++i) EXPECT_EQ(std::isnan(x[i]), i == 3 || i == 10) << i;
  }
}

TEST(ActivationsTest, ResultsDoNotDependOnThePlace) {
  std::vector<float> whole = Arguments();
  std::vector<float> one_by_one = whole;
  Gelu(whole.data(), static_cast<int64_t>(whole.size()));
  for (float& value : one_by_one) Gelu(&value, 1);
  for (size_t i = 0; i < whole.size(); ++i) {
    if (!std::isnan(whole[i])) {
      ASSERT_EQ(whole[i], one_by_one[i]) << i;
    }
  }
}

TEST(ActivationsTest, AllFiniteFindsOneThatIsNot) {
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    for (int64_t n = 1; n < 40; ++n) {
      std::vector<float> x(n, std::numeric_limits<float>::max());
      EXPECT_TRUE(AllFinite(x.data(), n));
      x[n / 2] = bad;
      EXPECT_FALSE(AllFinite(x.data(), n)) << bad << " at " << n / 2;
    }
  }
  EXPECT_TRUE(AllFinite(static_cast<const float*>(nullptr), 0));
}

TEST(ActivationsTest, LayerNormInFloatMatchesDouble) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(3);
  for (const int64_t channels : {1, 2, 3, 4, 5, 7, 8, 64, 191}) {
    constexpr int64_t kRows = 3;
    std::vector<float> x(kRows * channels), weight(channels), bias(channels);
    for (std::vector<float>* values : {&x, &weight, &bias}) {
      for (float& value : *values) value = normal(random);
    }
    std::vector<double> expected(x.begin(), x.end());
    const std::vector<double> weights(weight.begin(), weight.end());
    const std::vector<double> biases(bias.begin(), bias.end());
    LayerNorm(expected.data(), kRows, channels, weights.data(), biases.data(), 1e-6);
    LayerNorm(x.data(), kRows, channels, weight.data(), bias.data(), 1e-6);
    for (size_t i = 0; i < x.size(); ++i) {
      // One channel is its own mean: what is left of it is rounding, and is then scaled up.
      if (channels > 1) {
        EXPECT_NEAR(x[i], expected[i], 1e-4) << channels;
      }
    }
  }
}

}  // namespace
}  // namespace shoal::codec
