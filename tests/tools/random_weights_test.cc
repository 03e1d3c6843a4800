#include "tools/random_weights.h"

#include <algorithm>
#include <cmath>

#include "gtest/gtest.h"

namespace shoal::tools {
namespace {

using checkpoint::ExpectedTensor;
using checkpoint::TensorRole;

TEST(RandomValuesTest, FollowTheirLaw) {
  const std::vector<float> values = RandomValues(3, "w", {0.5, 2}, 100000);
  double mean = 0;
  double square = 0;
  double farthest = 0;
  for (const float value : values) {
    mean += value / 1e5;
    square += value * value / 1e5;
    farthest = std::max(farthest, std::abs(value - 0.5));
  }
  EXPECT_NEAR(mean, 0.5, 0.03);
  EXPECT_NEAR(std::sqrt(square - mean * mean), 2, 0.03);
  EXPECT_LT(farthest, 2 * 3.5);
}

TEST(RandomValuesTest, DependOnSeedAndNameAlone) {
  const WeightLaw law{0, 1};
  const std::vector<float> values = RandomValues(3, "w", law, 8);
  EXPECT_EQ(RandomValues(3, "w", law, 8), values);
  EXPECT_NE(RandomValues(4, "w", law, 8), values);
  EXPECT_NE(RandomValues(3, "v", law, 8), values);
}

double Norm(const std::string& name, const std::vector<int64_t>& direction) {
  const ExpectedTensor gain{name, {direction[0], 1, 1}, TensorRole::kNormGain};
  return LawOf(gain, direction, 4).mean;
}

TEST(LawOfTest, ConvolutionsKeepPower) {
  const std::string g = ".conv.parametrizations.weight.original0";
  EXPECT_EQ(Norm("encoder.block.1.block.4" + g, {16, 8, 4}), 1);
  EXPECT_EQ(Norm("decoder.model.0" + g, {64, 32, 7}), 1);
  // Transposed: 64 inputs of norm n, two taps of them in a sample of each of 32 outputs.
  EXPECT_DOUBLE_EQ(
      64 * std::pow(Norm("decoder.model.1.block.1" + g, {64, 32, 16}), 2) * 2 / (32 * 16), 1);
  // Residual units add, so each adds less.
  EXPECT_EQ(Norm("encoder.block.1.block.0.block.1" + g, {8, 8, 7}), 0.6);
  EXPECT_EQ(Norm("decoder.model.1.block.2.block.1" + g, {32, 32, 7}), 0.6);
  EXPECT_EQ(Norm("decoder.model.3" + g, {1, 4, 7}), 0.1);
  EXPECT_EQ(Norm("quantizer.quantizer.quantizers.0.out_proj.weight_g", {32, 8, 1}), 0.5);
}

TEST(LawOfTest, LinearsKeepPower) {
  const auto deviation = [](const std::string& name, const std::vector<int64_t>& shape) {
    return LawOf({name, shape, TensorRole::kProjection}, shape, 4).deviation;
  };
  EXPECT_DOUBLE_EQ(deviation("x.w1.weight", {100, 64}), 1.0 / 8);
  EXPECT_DOUBLE_EQ(deviation("quantizer.downsample.0.0.conv.weight", {32, 32, 2}), 1.0 / 8);
  EXPECT_DOUBLE_EQ(deviation("quantizer.upsample.0.0.conv.weight", {64, 32, 3}), 1.0 / 8);
  EXPECT_DOUBLE_EQ(deviation("quantizer.upsample.0.1.dwconv.conv.weight", {64, 1, 4}), 1.0 / 2);
  EXPECT_DOUBLE_EQ(deviation(checkpoint::kHeadName, {1000, 64}), 2.0 / 8);
}

}  // namespace
}  // namespace shoal::tools
