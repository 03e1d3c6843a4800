#include "common/model/packed_matrix.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/model/packed_kernels.h"

namespace shoal::model {
namespace {

at::Tensor Random(std::initializer_list<int64_t> shape, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(shape, generator);
}

at::Tensor RoundedToBf16(const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); }

// Words of 32 bits that hold a and b, cut to bf16, in their low and high halves.
at::Tensor PairsOf(const at::Tensor& low, const at::Tensor& high) {
  const at::Tensor low_words = low.view(at::kInt).bitwise_right_shift(16).bitwise_and(0xffff);
  const at::Tensor high_words = high.view(at::kInt).bitwise_and(-65536);
  return low_words.bitwise_or(high_words).view(at::kFloat);
}

at::Tensor Multiply(const PackedMatrix& matrix, const at::Tensor& x) {
  const at::Tensor rows = x.contiguous();
  at::Tensor y = at::full({x.size(0), matrix.out()}, std::nan(""));
  matrix.Multiply(rows.const_data_ptr<float>(), x.size(0), nullptr, nullptr,
                  y.mutable_data_ptr<float>());
  return y;
}

struct Shape {
  int64_t out, in;
};

// Around the widths of panels, vectors, pairs and groups of panels.
const Shape kShapes[] = {{1, 1},   {3, 2},    {16, 7},    {17, 64},  {31, 33},
                         {48, 16}, {128, 40}, {129, 129}, {200, 96}, {257, 5}};

TEST(PackedMatrixTest, MultipliesAsFloat64Does) {
  for (const Shape& shape : kShapes) {
    for (const bool bf16 : {false, true}) {
      at::Tensor weight = Random({shape.out, shape.in}, 1);
      if (bf16) weight = RoundedToBf16(weight);
      const PackedMatrix matrix(weight.const_data_ptr<float>(), shape.out, shape.in);
      EXPECT_EQ(matrix.is_bf16(), bf16);
      for (const int64_t rows : {1, 2, 3, 5, 12, 13, 30}) {
        const at::Tensor x = Random({rows, shape.in}, 2);
        const at::Tensor expected = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t());
        const at::Tensor y = Multiply(matrix, x);
        EXPECT_TRUE(at::allclose(y.to(at::kDouble), expected, 1e-5, 2e-5))
            << shape.out << " x " << shape.in << ", rows " << rows << ", bf16 " << bf16;
      }
    }
  }
}

TEST(PackedMatrixTest, RowIsBitEqualAloneAndInAnyBatch) {
  for (const Shape& shape : kShapes) {
    const at::Tensor weight = Random({shape.out, shape.in}, 3);
    const PackedMatrix matrix(weight.const_data_ptr<float>(), shape.out, shape.in);
    const at::Tensor x = Random({40, shape.in}, 4);
    const at::Tensor all = Multiply(matrix, x);
    for (int64_t n = 1; n <= 40; ++n) {
      const int64_t from = 40 - n;
      EXPECT_TRUE(at::equal(Multiply(matrix, x.narrow(0, from, n)), all.narrow(0, from, n)))
          << shape.out << " x " << shape.in << ", rows " << n;
    }
  }
}

TEST(PackedMatrixTest, RowsBeyondACacheAreTheSame) {
  const at::Tensor weight = Random({33, 4000}, 16);
  const PackedMatrix matrix(weight.const_data_ptr<float>(), 33, 4000);
  const at::Tensor x = Random({75, 4000}, 17);
  const at::Tensor all = Multiply(matrix, x);
  for (int64_t row = 0; row < 75; ++row) {
    EXPECT_TRUE(at::equal(Multiply(matrix, x.narrow(0, row, 1)), all.narrow(0, row, 1)));
  }
}

TEST(PackedMatrixTest, SixteenBitWeightsGiveTheBitsOfFloat32Ones) {
  const at::Tensor weight = RoundedToBf16(Random({64, 77}, 5));
  // One more output that bf16 cannot hold keeps the whole matrix in float32.
  const at::Tensor wider = at::cat({weight, at::full({1, 77}, 0.1f)});
  const PackedMatrix narrow(weight.const_data_ptr<float>(), 64, 77);
  const PackedMatrix wide(wider.const_data_ptr<float>(), 65, 77);
  ASSERT_TRUE(narrow.is_bf16());
  ASSERT_FALSE(wide.is_bf16());
  EXPECT_LT(narrow.bytes(), wide.bytes() * 2 / 3);
  const at::Tensor x = Random({9, 77}, 6);
  EXPECT_TRUE(at::equal(Multiply(narrow, x), Multiply(wide, x).narrow(1, 0, 64)));
}

TEST(PackedMatrixTest, AddsBiasThenResidualInPlace) {
  const at::Tensor weight = Random({21, 10}, 7);
  const PackedMatrix matrix(weight.const_data_ptr<float>(), 21, 10);
  const at::Tensor x = Random({4, 10}, 8);
  const at::Tensor bias = Random({21}, 9);
  const at::Tensor residual = Random({4, 21}, 10);
  at::Tensor y = residual.clone();
  matrix.Multiply(x.const_data_ptr<float>(), 4, bias.const_data_ptr<float>(),
                  y.const_data_ptr<float>(), y.mutable_data_ptr<float>());
  EXPECT_TRUE(at::equal(y, Multiply(matrix, x) + bias + residual));
}

TEST(PackedMatrixTest, ThreadsChangeNothing) {
  const at::Tensor weight = Random({700, 600}, 11);
  const PackedMatrix matrix(weight.const_data_ptr<float>(), 700, 600);
  const at::Tensor x = Random({20, 600}, 12);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = Multiply(matrix, x);
  at::set_num_threads(3);
  const at::Tensor three = Multiply(matrix, x);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(PackedMatrixTest, InstructionSetsGiveTheSameBits) {
  if (!HasAvx512()) GTEST_SKIP() << "this machine has no AVX-512";
  for (const bool bf16 : {false, true}) {
    // The layout of packed_kernels.h, filled at random: 5 panels of 77 inputs.
    const int64_t in = 77, out = 71, panels = 5, rows = 31;
    const int64_t bytes = panels * PanelBytes(bf16, in);
    at::Tensor memory = Random({bytes / 4}, 13);
    if (bf16) memory = PairsOf(memory, Random({bytes / 4}, 15));
    const at::Tensor x = Random({rows, in}, 14);
    const auto run = [&](auto kernel) {
      at::Tensor y = at::zeros({rows, out});
      kernel(PackedProduct{memory.const_data_ptr(), bf16, in, out, x.const_data_ptr<float>(), rows,
                           nullptr, nullptr, y.mutable_data_ptr<float>()},
             0, panels);
      return y;
    };
    const at::Tensor narrow = run(MultiplyPanelsAvx2);
    EXPECT_TRUE(at::equal(narrow, run(MultiplyPanelsAvx512))) << "bf16 " << bf16;
    EXPECT_GT(narrow.abs().min().item<float>(), 0);
  }
}

}  // namespace
}  // namespace shoal::model
