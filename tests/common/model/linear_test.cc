#include "common/model/linear.h"

#include <gtest/gtest.h>

#include <optional>

namespace shoal::model {
namespace {

class LinearTest : public ::testing::TestWithParam<std::tuple<ProductMode, at::ScalarType>> {
 protected:
  at::Tensor Random(std::initializer_list<int64_t> shape, uint64_t seed) const {
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    return at::randn(shape, generator, at::TensorOptions(std::get<1>(GetParam())));
  }
  ProductMode mode() const { return std::get<0>(GetParam()); }
  double tolerance() const { return std::get<1>(GetParam()) == at::kFloat ? 1e-5 : 1e-13; }
};

TEST_P(LinearTest, MultipliesTheLastDimension) {
  const at::Tensor weight = Random({30, 50}, 1);
  const at::Tensor bias = Random({30}, 2);
  const at::Tensor x = Random({2, 7, 50}, 3);
  const Linear linear(weight, bias, mode());
  EXPECT_EQ(linear.in_features(), 50);
  EXPECT_EQ(linear.out_features(), 30);
  const at::Tensor y = linear(x);
  EXPECT_EQ(y.sizes(), (at::IntArrayRef{2, 7, 30}));
  EXPECT_TRUE(at::allclose(y, at::linear(x, weight, bias), tolerance(), tolerance()));
  const Linear plain(weight, std::nullopt, mode());
  EXPECT_TRUE(at::allclose(plain(x), at::linear(x, weight), tolerance(), tolerance()));
}

TEST_P(LinearTest, TakesStridedInput) {
  const at::Tensor weight = Random({8, 12}, 1);
  const at::Tensor x = Random({12, 5}, 2).t();
  EXPECT_TRUE(at::allclose(Linear(weight, std::nullopt, mode())(x), at::linear(x, weight),
                           tolerance(), tolerance()));
}

TEST_P(LinearTest, AddsToAResidual) {
  const at::Tensor weight = Random({8, 12}, 1);
  const at::Tensor x = Random({5, 12}, 2);
  const at::Tensor residual = Random({5, 8}, 3);
  const at::Tensor before = residual.clone();
  const Linear linear(weight, Random({8}, 4), mode());
  EXPECT_TRUE(at::equal(linear.AddTo(residual, x), linear(x) + residual));
  EXPECT_TRUE(at::equal(residual, before));
}

TEST_P(LinearTest, NoRowsGiveNoRows) {
  const Linear linear(Random({8, 12}, 1), std::nullopt, mode());
  EXPECT_EQ(linear(Random({0, 12}, 2)).sizes(), (at::IntArrayRef{0, 8}));
}

class DeterministicLinearTest : public LinearTest {};

TEST_P(DeterministicLinearTest, RowDependsOnItselfAlone) {
  const Linear linear(Random({70, 90}, 1), Random({70}, 2), mode());
  const at::Tensor x = Random({37, 90}, 3);
  const at::Tensor order = at::randperm(37);
  const at::Tensor all = linear(x);
  EXPECT_TRUE(at::equal(linear(x.index_select(0, order)), all.index_select(0, order)));
  for (int64_t row = 0; row < 37; ++row) {
    EXPECT_TRUE(at::equal(linear(x.narrow(0, row, 1)), all.narrow(0, row, 1))) << "row " << row;
  }
}

INSTANTIATE_TEST_SUITE_P(ModesAndTypes, LinearTest,
                         ::testing::Combine(::testing::Values(ProductMode::kFast,
                                                              ProductMode::kDeterministic),
                                            ::testing::Values(at::kFloat, at::kDouble)));

INSTANTIATE_TEST_SUITE_P(Types, DeterministicLinearTest,
                         ::testing::Combine(::testing::Values(ProductMode::kDeterministic),
                                            ::testing::Values(at::kFloat, at::kDouble)));

TEST(LinearShapeTest, WrongWidthIsRefused) {
  const Linear linear(at::ones({8, 12}), std::nullopt, ProductMode::kFast);
  EXPECT_THROW(linear(at::ones({2, 11})), c10::Error);
  EXPECT_THROW(linear.AddTo(at::ones({2, 7}), at::ones({2, 12})), c10::Error);
}

}  // namespace
}  // namespace shoal::model
