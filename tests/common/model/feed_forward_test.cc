#include "common/model/feed_forward.h"

#include <gtest/gtest.h>

namespace shoal::model {
namespace {

TEST(FeedForwardTest, IsTheGatedProduct) {
  at::manual_seed(1);
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const ProductMode mode : {ProductMode::kFast, ProductMode::kDeterministic}) {
      const at::TensorOptions options(type);
      const at::Tensor w1 = at::randn({37, 20}, options);
      const at::Tensor w2 = at::randn({20, 37}, options);
      const at::Tensor w3 = at::randn({37, 20}, options);
      const at::Tensor x = at::randn({6, 20}, options);
      const at::Tensor expected = at::linear(at::silu(at::linear(x, w1)) * at::linear(x, w3), w2);
      const FeedForward feed_forward(w1, w2, w3, mode);
      const double tolerance = type == at::kFloat ? 3e-5 : 1e-12;
      EXPECT_TRUE(at::allclose(feed_forward(x), expected, tolerance, tolerance));
      EXPECT_TRUE(at::allclose(feed_forward.AddTo(x, x), expected + x, tolerance, tolerance));
    }
  }
}

TEST(FeedForwardTest, InPlaceIsTheSame) {
  const at::Tensor w1 = at::randn({37, 20}), w2 = at::randn({20, 37}), w3 = at::randn({37, 20});
  const FeedForward feed_forward(w1, w2, w3, ProductMode::kDeterministic);
  for (const int64_t rows : {0, 1, 2, 7, 30}) {
    const at::Tensor x = at::randn({rows, 20}), residual = at::randn({rows, 20});
    at::Tensor scratch = at::empty({rows, feed_forward.scratch_width()});
    at::Tensor y = residual.clone();
    feed_forward.AddTo(x.const_data_ptr<float>(), rows, scratch.mutable_data_ptr<float>(),
                       y.mutable_data_ptr<float>());
    EXPECT_TRUE(at::equal(y, feed_forward.AddTo(residual, x))) << rows;
  }
}

TEST(FeedForwardTest, SiluHoldsOverTheWholeRange) {
  const at::Tensor gate = at::cat({at::linspace(-120, 120, 4001), at::tensor({-1e30, 1e30})});
  const at::Tensor gate_up = at::stack({gate, at::ones_like(gate)}).view({1, -1});
  const at::Tensor expected = at::silu(gate.to(at::kDouble));
  EXPECT_TRUE(
      at::allclose(SiluMultiply(gate_up).view({-1}).to(at::kDouble), expected, 4e-7, 1e-30));
}

TEST(FeedForwardTest, RowDependsOnItselfAlone) {
  const at::Tensor gate_up = at::randn({7, 2 * 13});
  const at::Tensor all = SiluMultiply(gate_up);
  EXPECT_EQ(all.sizes(), (at::IntArrayRef{7, 13}));
  for (int64_t row = 0; row < 7; ++row) {
    EXPECT_TRUE(at::equal(SiluMultiply(gate_up.narrow(0, row, 1)), all.narrow(0, row, 1)));
  }
}

}  // namespace
}  // namespace shoal::model
