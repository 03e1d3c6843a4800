#include "common/model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace shoal::model {
namespace {

TEST(RopeTest, RowsAreThoseOfTheTable) {
  const at::Tensor table = RopeTable(300, 24, 10000);
  EXPECT_EQ(table.sizes(), (at::IntArrayRef{300, 12, 2}));
  EXPECT_TRUE(at::equal(RopeRows(117, 40, 24, 10000), table.narrow(0, 117, 40)));
  EXPECT_TRUE(at::equal(RopeRows(299, 1, 24, 10000), table.narrow(0, 299, 1)));
}

TEST(RopeTest, TableHoldsCosAndSinRoundedToBf16) {
  const at::Tensor table = RopeTable(50, 8, 500);
  EXPECT_TRUE(at::equal(table, table.to(at::kBFloat16).to(at::kFloat)));
  for (int64_t position = 0; position < 50; ++position) {
    for (int64_t pair = 0; pair < 4; ++pair) {
      const double angle = position * std::pow(500.0, -pair / 4.0);
      EXPECT_NEAR(table[position][pair][0].item<float>(), std::cos(angle), 0.003);
      EXPECT_NEAR(table[position][pair][1].item<float>(), std::sin(angle), 0.003);
    }
  }
}

TEST(RopeTest, RotatesAdjacentPairsInBothTypes) {
  const at::Tensor table = RopeTable(6, 10, 100);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const at::Tensor x = at::randn({6, 3, 10}, at::TensorOptions(type));
    const at::Tensor cos = table.select(2, 0).unsqueeze(1).to(type);
    const at::Tensor sin = table.select(2, 1).unsqueeze(1).to(type);
    const at::Tensor even = x.slice(2, 0, 10, 2);
    const at::Tensor odd = x.slice(2, 1, 10, 2);
    const at::Tensor expected =
        at::stack({even * cos - odd * sin, odd * cos + even * sin}, -1).flatten(2);
    EXPECT_TRUE(at::allclose(ApplyRope(x, table), expected, 1e-6, 1e-6));
  }
}

TEST(RopeTest, TableOfAnotherLengthIsRefused) {
  EXPECT_THROW(ApplyRope(at::ones({5, 1, 8}), RopeTable(4, 8, 100)), c10::Error);
  EXPECT_THROW(RopeTable(4, 7, 100), c10::Error);
}

}  // namespace
}  // namespace shoal::model
