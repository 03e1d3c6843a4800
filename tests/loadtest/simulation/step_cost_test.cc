// The arithmetic against the figures that the engine's design states.
#include "loadtest/simulation/step_cost.h"

#include <cmath>

#include "gtest/gtest.h"

namespace shoal::simulation {
namespace {

const StepCost kCost{ModelSizes{}, GpuSpeed{}};

double Rounded(double value, double step) { return std::round(value / step) * step; }

TEST(StepCost, ReadsTheBytesOfAFrame) {
  const ModelSizes model;
  const double bytes = model.slow_weight_bytes() + model.fast_weight_bytes();
  // 14.6 GB are the two transformers; the fast head, in every pass, adds 1 %.
  EXPECT_NEAR(bytes, 14.6e9, 0.015 * 14.6e9);
  EXPECT_NEAR(model.slow_weight_bytes(), 7.3e9, 0.05e9);
  EXPECT_NEAR(model.kv_bytes_a_position(), 147e3, 0.5e3);
}

TEST(StepCost, CountsTheProductsOfAFrame) {
  const ModelSizes model;
  const double flops = model.flops_a_position() + model.flops_a_draw();
  EXPECT_DOUBLE_EQ(Rounded(flops, 0.1e9), 15.6e9);
  EXPECT_DOUBLE_EQ(Rounded(flops / model.frame_seconds(), 1e9), 335e9);
}

TEST(StepCost, AFrameAloneTakesTheTimeOfItsReads) {
  const RowCost row{.start = 0, .positions = 1, .draws = true};
  EXPECT_NEAR(kCost.StepSeconds({&row, 1}), 3.4e-3, 0.1e-3);
}

TEST(StepCost, ReachesTheRealTimeFactorsOfTheDesign) {
  EXPECT_DOUBLE_EQ(Rounded(kCost.RealTimeFactor(64, 680), 0.01), 0.18);
  EXPECT_DOUBLE_EQ(Rounded(kCost.RealTimeFactor(256, 680), 0.01), 0.51);
}

// 790 TFLOP/s over 335 + 146 GFLOP a second of audio.
TEST(StepCost, IsBoundByProductsBeforeAttention) {
  const ModelSizes model;
  const GpuSpeed gpu;
  const double flops = (model.flops_a_position() + model.flops_a_draw()) / model.frame_seconds() +
                       gpu.vocoder_flops_a_second_of_audio;
  EXPECT_NEAR(gpu.peak_flops / flops, 1640, 5);
}

TEST(StepCost, PromptsReadTheWeightsOfTheSlowTransformerAlone) {
  const RowCost row{.start = 0, .positions = 512, .draws = false};
  const ModelSizes model;
  const GpuSpeed gpu;
  const double products = 512 * model.flops_a_position() / gpu.flops_per_second();
  const double reads = model.slow_weight_bytes() / gpu.bytes_per_second;
  const double seconds = kCost.StepSeconds({&row, 1});
  EXPECT_GT(seconds, products + reads);  // and attention
  EXPECT_LT(seconds, 1.03 * (products + reads));
}

TEST(StepCost, SlowdownStretchesEverything) {
  const StepCost slow{ModelSizes{}, GpuSpeed{.slowdown = 2}};
  EXPECT_DOUBLE_EQ(slow.RealTimeFactor(64, 680), 2 * kCost.RealTimeFactor(64, 680));
}

TEST(StepCost, NothingCostsNothing) {
  EXPECT_EQ(kCost.StepSeconds({}), 0);
  EXPECT_EQ(kCost.VocoderSeconds(0), 0);
}

}  // namespace
}  // namespace shoal::simulation
