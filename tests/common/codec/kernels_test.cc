#include "common/codec/kernels/kernels.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::codec {
namespace {

template <typename T>
std::vector<T> RandomValues(std::mt19937& random, int64_t n) {
  std::normal_distribution<T> normal;
  std::vector<T> values(n);
  for (T& value : values) value = normal(random);
  return values;
}

int64_t Between(std::mt19937& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

// A product of random sizes with its buffers.
template <typename T>
struct Case {
  explicit Case(std::mt19937& random) {
    p.streams = Between(random, 1, 4);
    p.rows = Between(random, 1, 40);
    p.segments = Between(random, 1, 4);
    p.segment_length = Between(random, 1, 40);
    p.segment_stride = p.segment_length + Between(random, 0, 5);
    p.x_row_stride = Between(random, 1, 20);
    const int64_t reach =
        (p.rows - 1) * p.x_row_stride + (p.segments - 1) * p.segment_stride + p.segment_length;
    p.x_stream_stride = reach + Between(random, 0, 9);
    p.outputs = Between(random, 0, 3) == 0 ? Between(random, 1, 3) : Between(random, 1, 150);
    if (Between(random, 0, 2) == 0) MakeNarrow(random);
    p.y_stream_stride = p.rows * p.outputs + Between(random, 0, 7);
    p.residual_stream_stride = p.rows * p.outputs + Between(random, 0, 7);
    x = RandomValues<T>(random, p.streams * p.x_stream_stride);
    alpha = RandomValues<T>(random, p.panels() * kPanel);
    inverse = RandomValues<T>(random, p.panels() * kPanel);
    const bool snake = Between(random, 0, 1) == 0;
    p.alpha = snake ? alpha.data() : nullptr;
    p.inverse = snake ? inverse.data() : nullptr;
    weight = RandomValues<T>(random, p.outputs * p.window());
    bias = RandomValues<T>(random, p.panels() * kPanel);
    residual = RandomValues<T>(random, p.streams * p.residual_stream_stride);
    p.x = x.data();
    p.bias = bias.data();
    p.residual = !snake && Between(random, 0, 1) == 0 ? residual.data() : nullptr;
    Pack();
    p.packed = packed.data();
  }

  // A convolution of few channels to as many, as its rows lie.
  void MakeNarrow(std::mt19937& random) {
    p.outputs = int64_t{1} << Between(random, 1, 3);
    p.x_row_stride = p.outputs;
    p.segment_length = p.outputs * Between(random, 1, 8);
    p.segment_stride = p.segment_length + p.outputs * Between(random, 0, 5);
    p.rows = Between(random, 1, 150);
    const int64_t reach =
        (p.rows - 1) * p.x_row_stride + (p.segments - 1) * p.segment_stride + p.segment_length;
    p.x_stream_stride = reach + Between(random, 0, 9);
    p.y_stream_stride = p.rows * p.outputs + Between(random, 0, 7);
    p.residual_stream_stride = p.rows * p.outputs + Between(random, 0, 7);
  }

  void Pack() {
    if (p.outputs == 1) {
      packed = weight;
      return;
    }
    packed.assign(p.panels() * p.window() * kPanel, 0);
    for (int64_t o = 0; o < p.outputs; ++o) {
      for (int64_t k = 0; k < p.window(); ++k) {
        packed[(o / kPanel * p.window() + k) * kPanel + o % kPanel] = weight[o * p.window() + k];
      }
    }
  }

  // What is not written keeps this.
  static constexpr T kUntouched = 12345;

  std::vector<T> Run(VectorUnit unit) {
    std::vector<T> y(p.streams * p.y_stream_stride, kUntouched);
    p.y = y.data();
    KernelsFor<T>(unit).product(p, 0, p.streams * p.rows, 0, p.panels());
    return y;
  }

  std::vector<double> Expected() const {
    std::vector<double> y(p.streams * p.y_stream_stride, kUntouched);
    for (int64_t row = 0; row < p.streams * p.rows; ++row) {
      const int64_t stream = row / p.rows;
      const int64_t t = row % p.rows;
      for (int64_t o = 0; o < p.outputs; ++o) {
        double sum = bias[o];
        for (int64_t k = 0; k < p.window(); ++k) {
          const int64_t at = stream * p.x_stream_stride + t * p.x_row_stride +
                             k / p.segment_length * p.segment_stride + k % p.segment_length;
          sum += double(x[at]) * double(weight[o * p.window() + k]);
        }
        if (p.alpha != nullptr) {
          const double sine = std::sin(double(p.alpha[o]) * sum);
          sum += sine * sine * double(p.inverse[o]);
        }
        if (p.residual != nullptr) {
          sum += residual[stream * p.residual_stream_stride + t * p.outputs + o];
        }
        y[stream * p.y_stream_stride + t * p.outputs + o] = sum;
      }
    }
    return y;
  }

  WindowProduct<T> p;
  std::vector<T> x, weight, packed, bias, residual, alpha, inverse;
};

std::vector<VectorUnit> UnitsHere() {
  if (BestVectorUnit() == VectorUnit::kAvx512) return {VectorUnit::kAvx2, VectorUnit::kAvx512};
  return {VectorUnit::kAvx2};
}

template <typename T>
void ExpectProductsRight(double tolerance) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    Case<T> product(random);
    const std::vector<double> expected = product.Expected();
    for (const VectorUnit unit : UnitsHere()) {
      const std::vector<T> y = product.Run(unit);
      for (size_t j = 0; j < y.size(); ++j) {
        ASSERT_NEAR(y[j], expected[j], tolerance) << "case " << i << " element " << j;
      }
    }
  }
}

TEST(KernelsTest, ProductsMatchAPlainLoopInFloat) { ExpectProductsRight<float>(2e-4); }
TEST(KernelsTest, ProductsMatchAPlainLoopInDouble) { ExpectProductsRight<double>(1e-11); }

TEST(KernelsTest, ProductsAreBitEqualOnEveryVectorUnit) {
  if (UnitsHere().size() == 1) GTEST_SKIP() << "this machine has no AVX-512";
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    Case<float> product(random);
    ASSERT_EQ(product.Run(VectorUnit::kAvx2), product.Run(VectorUnit::kAvx512)) << "case " << i;
  }
}

TEST(KernelsTest, ProductsAreBitEqualHoweverRowsAndPanelsAreShared) {
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    Case<float> product(random);
    const int64_t rows = product.p.streams * product.p.rows;
    const int64_t panels = product.p.panels();
    for (const VectorUnit unit : UnitsHere()) {
      const std::vector<float> whole = product.Run(unit);
      std::vector<float> parts(whole.size(), Case<float>::kUntouched);
      product.p.y = parts.data();
      const int64_t row = Between(random, 0, rows);
      const int64_t panel = Between(random, 0, panels);
      const auto kernel = KernelsFor<float>(unit).product;
      kernel(product.p, 0, row, 0, panels);
      kernel(product.p, row, rows, 0, panel);
      // A single output has no panels to share.
      if (panel < panels) kernel(product.p, row, rows, panel, panels);
      ASSERT_EQ(whole, parts) << "case " << i;
    }
  }
}

TEST(KernelsTest, SnakeMatchesTheLibrarySine) {
  std::mt19937 random(4);
  for (const int64_t channels : {1, 3, 7, 8, 9, 16, 31, 64, 100}) {
    const int64_t rows = 50;
    std::vector<float> x = RandomValues<float>(random, rows * channels);
    const std::vector<float> alpha = RandomValues<float>(random, channels);
    std::vector<float> inverse;
    for (const float a : alpha) inverse.push_back(1 / (a + 1e-9f));
    for (int64_t i = 0; i < rows; ++i) x[i * channels] *= std::pow(10.0f, i / 8.0f - 2);
    std::vector<std::vector<float>> by_unit;
    for (const VectorUnit unit : UnitsHere()) {
      std::vector<float> y(x.size());
      KernelsFor<float>(unit).snake(x.data(), y.data(), rows, channels, alpha.data(),
                                    inverse.data());
      for (size_t i = 0; i < y.size(); ++i) {
        const float argument = alpha[i % channels] * x[i];
        const double sine = std::sin(static_cast<double>(argument));
        const double wave = sine * sine * inverse[i % channels];
        ASSERT_NEAR(y[i], x[i] + wave,
                    1e-6 * std::abs(inverse[i % channels]) + 1e-6 * std::abs(x[i]))
            << "sin(" << argument << ")";
      }
      by_unit.push_back(y);
    }
    if (by_unit.size() == 2) {
      EXPECT_EQ(by_unit[0], by_unit[1]);
    }
  }
}

TEST(KernelsTest, SnakeOfHugeArgumentsStaysInRange) {
  const std::vector<float> x = {3e6f, 4.1e6f, -1e9f, 1e30f, -3e38f, 1e12f, 5.0f, 0.0f, -0.0f};
  const std::vector<float> one(x.size(), 1.0f);
  for (const VectorUnit unit : UnitsHere()) {
    std::vector<float> y(x.size());
    KernelsFor<float>(unit).snake(x.data(), y.data(), 1, x.size(), one.data(), one.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double sine = std::sin(static_cast<double>(x[i]));
      EXPECT_NEAR(y[i], x[i] + sine * sine, 2e-6 + 1e-7 * std::abs(x[i])) << x[i];
    }
  }
}

TEST(KernelsTest, SnakeOfWhatIsNotFiniteIsNotFinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {infinity, -infinity, std::nanf(""), 1.0f};
  const std::vector<float> one(x.size(), 1.0f);
  for (const VectorUnit unit : UnitsHere()) {
    std::vector<float> y(x.size());
    KernelsFor<float>(unit).snake(x.data(), y.data(), 1, x.size(), one.data(), one.data());
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(std::isfinite(y[i])) << x[i];
    EXPECT_TRUE(std::isfinite(y[3]));
  }
}

}  // namespace
}  // namespace shoal::codec
