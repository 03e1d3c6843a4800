#include "common/checkpoint/tensor_values.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace shoal::checkpoint {
namespace {

template <typename Stored, typename Value, typename Convert>
std::vector<Value> Map(const TensorView& tensor, Convert convert) {
  const size_t count = tensor.bytes.size() / sizeof(Stored);
  std::vector<Value> values(count);
  for (size_t i = 0; i < count; ++i) {
    Stored stored;  // copied: the bytes need not be aligned
    std::memcpy(&stored, tensor.bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<Value>(convert(stored));
  }
  return values;
}

// Whether no value has all the bits of the mask.
template <typename Stored>
bool NoneHolds(const TensorView& tensor, Stored mask) {
  const size_t count = tensor.bytes.size() / sizeof(Stored);
  for (size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, tensor.bytes.data() + i * sizeof(Stored), sizeof(Stored));
    if ((stored & mask) == mask) return false;
  }
  return true;
}

template <typename Value>
std::vector<Value> WholeNumbers(const TensorView& tensor) {
  const auto same = [](auto stored) { return stored; };
  switch (tensor.dtype) {
    case DType::kBool:
    case DType::kU8:
      return Map<uint8_t, Value>(tensor, same);
    case DType::kI8:
      return Map<int8_t, Value>(tensor, same);
    case DType::kI16:
      return Map<int16_t, Value>(tensor, same);
    case DType::kI32:
      return Map<int32_t, Value>(tensor, same);
    case DType::kI64:
      return Map<int64_t, Value>(tensor, same);
    default:
      return {};
  }
}

}  // namespace

float HalfToFloat(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  float value;
  if (exponent == 31) {
    value = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
  } else {
    value = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

float BFloat16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t FloatToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

std::vector<float> ToFloats(const TensorView& tensor) {
  switch (tensor.dtype) {
    case DType::kF16:
      return Map<uint16_t, float>(tensor, HalfToFloat);
    case DType::kBF16:
      return Map<uint16_t, float>(tensor, BFloat16ToFloat);
    case DType::kF32:
      return Map<float, float>(tensor, [](float stored) { return stored; });
    case DType::kF64:
      return Map<double, float>(tensor, [](double stored) { return stored; });
    default:
      return WholeNumbers<float>(tensor);
  }
}

std::vector<int64_t> ToInt64s(const TensorView& tensor) { return WholeNumbers<int64_t>(tensor); }

bool AllFinite(const TensorView& tensor) {
  switch (tensor.dtype) {  // all bits of the exponent set: infinite, or not a number
    case DType::kF16:
      return NoneHolds<uint16_t>(tensor, 0x7c00);
    case DType::kBF16:
      return NoneHolds<uint16_t>(tensor, 0x7f80);
    case DType::kF32:
      return NoneHolds<uint32_t>(tensor, 0x7f800000);
    case DType::kF64:
      return NoneHolds<uint64_t>(tensor, 0x7ff0000000000000);
    default:
      return true;
  }
}

}  // namespace shoal::checkpoint
