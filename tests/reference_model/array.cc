#include "tests/reference_model/array.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace shoal::reference {
namespace {

float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double Element(const checkpoint::TensorView& view, int64_t i) {
  const auto* bytes = reinterpret_cast<const char*>(view.bytes.data());
  if (view.dtype == checkpoint::DType::kF32) {
    float value;
    std::memcpy(&value, bytes + 4 * i, sizeof value);
    return value;
  }
  if (view.dtype == checkpoint::DType::kBF16) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    return FromBits(uint32_t{bits} << 16);
  }
  if (view.dtype == checkpoint::DType::kF16) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    const int exponent = (bits >> 10) & 31;
    const double fraction = (bits & 1023) / 1024.0;
    const double magnitude =
        exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
    return bits & 0x8000 ? -magnitude : magnitude;
  }
  throw std::runtime_error("the reference model reads F32, BF16 and F16 weights only");
}

}  // namespace

Array::Array(std::vector<int64_t> dims)
    : shape(std::move(dims)),
      data(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>())) {}

int64_t Array::RowSize() const {
  return std::accumulate(shape.begin() + 1, shape.end(), int64_t{1}, std::multiplies<>());
}

Array Load(const checkpoint::TensorStore& store, const std::string& name,
           std::vector<int64_t> shape) {
  const auto view = store.Get(name, shape);
  if (!view.ok()) {
    throw std::runtime_error(view.status().ToString());
  }
  Array array(std::move(shape));
  for (size_t i = 0; i < array.data.size(); ++i) {
    array.data[i] = Element(*view, i);
  }
  return array;
}

Array MatMulTransposed(const Array& x, const Array& weight, const Array& bias) {
  Array y({x.size(0), weight.size(0)});
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t o = 0; o < weight.size(0); ++o) {
      double sum = 0;
      for (int64_t i = 0; i < x.size(1); ++i) {
        sum += x.row(n)[i] * weight.row(o)[i];
      }
      y.row(n)[o] = sum + (bias.data.empty() ? 0 : bias.data[o]);
    }
  }
  return y;
}

Array RmsNorm(const Array& x, const Array& weight, double eps) {
  Array y = x;
  const int64_t dim = x.size(1);
  for (int64_t n = 0; n < x.size(0); ++n) {
    double squares = 0;
    for (int64_t i = 0; i < dim; ++i) {
      squares += x.row(n)[i] * x.row(n)[i];
    }
    const double scale = 1 / std::sqrt(squares / dim + eps);
    for (int64_t i = 0; i < dim; ++i) {
      y.row(n)[i] = x.row(n)[i] * scale * weight.data[i];
    }
  }
  return y;
}

void AddInPlace(Array& x, const Array& y) {
  for (size_t i = 0; i < x.data.size(); ++i) {
    x.data[i] += y.data[i];
  }
}

Array Transposed(const Array& x) {
  Array y({x.size(1), x.size(0)});
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < x.size(1); ++j) {
      y.row(j)[i] = x.row(i)[j];
    }
  }
  return y;
}

}  // namespace shoal::reference
