#include "common/model/norm.h"

#include <gtest/gtest.h>

namespace shoal::model {
namespace {

at::Tensor Plain(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kDouble);
  const at::Tensor mean = wide.square().mean(-1, /*keepdim=*/true);
  return wide / (mean + eps).sqrt() * weight.to(at::kDouble);
}

TEST(NormTest, NormalisesTheLastDimensionInBothTypes) {
  for (const int64_t dim : {1, 7, 8, 40, 64, 100}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor x = at::randn({3, 5, dim}, at::TensorOptions(type));
      const at::Tensor weight = at::randn({dim}, at::TensorOptions(type));
      const double tolerance = type == at::kFloat ? 2e-6 : 1e-14;
      EXPECT_TRUE(at::allclose(RmsNorm(x, weight, 1e-6).to(at::kDouble), Plain(x, weight, 1e-6),
                               tolerance, tolerance))
          << "dim " << dim;
    }
  }
}

TEST(NormTest, EpsStandsInsideTheRoot) {
  const at::Tensor x = at::full({1, 4}, 0.5);
  const at::Tensor y = RmsNorm(x, at::ones({4}), 0.75);
  EXPECT_FLOAT_EQ(y[0][0].item<float>(), 0.5f);
}

TEST(NormTest, RowDependsOnItselfAlone) {
  const at::Tensor x = at::randn({9, 45});
  const at::Tensor weight = at::randn({45});
  const at::Tensor all = RmsNorm(x, weight, 1e-6);
  for (int64_t row = 0; row < 9; ++row) {
    EXPECT_TRUE(at::equal(RmsNorm(x.narrow(0, row, 1), weight, 1e-6), all.narrow(0, row, 1)));
  }
}

TEST(NormTest, WeightOfAnotherShapeIsRefused) {
  EXPECT_THROW(RmsNorm(at::ones({2, 4}), at::ones({5}), 1e-6), c10::Error);
}

}  // namespace
}  // namespace shoal::model
