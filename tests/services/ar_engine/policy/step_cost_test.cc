#include "services/ar_engine/policy/step_cost.h"

#include <random>

#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

TEST(StepCostTest, KnowsNothingAtFirst) {
  StepCost cost;
  EXPECT_EQ(cost.Seconds(10, 1000), 0);
  EXPECT_EQ(cost.PromptPositions(0, 512), 512);
}

// Costs of a small model on a CPU, and of a large one on a GPU.
TEST(StepCostTest, LearnsWhatStepsCost) {
  struct Machine {
    double base, row, position;
  };
  for (const Machine& machine : {Machine{0.004, 0.003, 0.0008}, Machine{0.008, 0.00002, 0.00004}}) {
    std::mt19937 random(1);
    StepCost cost;
    const auto truth = [&](int rows, int positions) {
      return machine.base + machine.row * rows + machine.position * positions;
    };
    for (int step = 0; step < 3000; ++step) {
      const int rows = static_cast<int>(1 + random() % 16);
      const int positions = random() % 3 == 0 ? static_cast<int>(random() % 400) : 0;
      const double noise = 0.95 + 0.1 * static_cast<double>(random() % 1000) / 1000;
      cost.Learn(rows, positions, noise * truth(rows, positions));
    }
    for (const int rows : {1, 8, 16}) {
      EXPECT_NEAR(cost.Seconds(rows, 0), truth(rows, 0), 0.25 * truth(rows, 0));
    }
    EXPECT_NEAR(cost.PromptSeconds(300), machine.position * 300, 0.25 * machine.position * 300);
    const int fit = cost.PromptPositions(cost.PromptSeconds(200), 512);
    EXPECT_NEAR(fit, 200, 1);
    EXPECT_EQ(cost.PromptPositions(1e9, 512), 512);
    EXPECT_EQ(cost.PromptPositions(-1, 512), 0);
  }
}

TEST(StepCostTest, WeightsDoNotFallBelowNothing) {
  StepCost cost;
  cost.Learn(4, 100, 1);
  for (int i = 0; i < 100; ++i) cost.Learn(4, 100, 0);
  EXPECT_GE(cost.Seconds(1, 0), 0);
  EXPECT_GE(cost.PromptSeconds(1000), 0);
}

}  // namespace
}  // namespace shoal::engine
