// Snake as a template over a vector type; see tiles.h for what such a type has, and why everything
// is in an unnamed namespace.
#ifndef SHOAL_COMMON_CODEC_KERNELS_SNAKE_H_
#define SHOAL_COMMON_CODEC_KERNELS_SNAKE_H_

#include <cstdint>

namespace shoal::codec {
namespace {

// sin^2 has period pi: y is reduced to r in [-pi/2, pi/2] and no sign has to be kept. Beyond
// kLargestReduced the reduction loses its digits; such arguments go one by one through the C
// library.
constexpr float kInversePi = 0.318309886f;
constexpr float kPi[2] = {0x1.921fb6p+1f, -0x1.777a5cp-24f};  // high and low part
// Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
constexpr float kRounder = 12582912.0f;
constexpr float kLargestReduced = 4.0e6f;
// sin(r) = r + r^3 P(r^2), a minimax fit of degree 9 with error 5e-9.
constexpr float kSine[4] = {-0x1.555548p-3f, 0x1.110e6ap-7f, -0x1.9f5ff4p-13f, 0x1.5cf934p-19f};

template <class V>
typename V::Type SinSquaredReduced(typename V::Type y) {
  const auto rounder = V::Set(kRounder);
  const auto n = V::Subtract(V::MultiplyAdd(y, V::Set(kInversePi), rounder), rounder);
  auto r = V::NegativeMultiplyAdd(n, V::Set(kPi[0]), y);
  r = V::NegativeMultiplyAdd(n, V::Set(kPi[1]), r);
  const auto z = V::Multiply(r, r);
  auto poly = V::MultiplyAdd(V::Set(kSine[3]), z, V::Set(kSine[2]));
  poly = V::MultiplyAdd(poly, z, V::Set(kSine[1]));
  poly = V::MultiplyAdd(poly, z, V::Set(kSine[0]));
  const auto sine = V::MultiplyAdd(V::Multiply(r, z), poly, r);
  return V::Multiply(sine, sine);
}

template <class V>
typename V::Type SnakeOf(typename V::Type x, typename V::Type alpha, typename V::Type inverse) {
  return V::MultiplyAdd(V::SinSquared(V::Multiply(alpha, x)), inverse, x);
}

template <class V>
void Snake(const typename V::Element* x, typename V::Element* y, int64_t rows, int64_t channels,
           const typename V::Element* alpha, const typename V::Element* inverse) {
  for (int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    int64_t c = 0;
    for (; c + V::kWidth <= channels; c += V::kWidth) {
      V::Store(y + c, SnakeOf<V>(V::Load(x + c), V::Load(alpha + c), V::Load(inverse + c)));
    }
    if (const int64_t left = channels - c; left > 0) {
      const auto value = SnakeOf<V>(V::LoadPartial(x + c, left), V::LoadPartial(alpha + c, left),
                                    V::LoadPartial(inverse + c, left));
      V::StorePartial(y + c, value, left);
    }
  }
}

}  // namespace
}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_SNAKE_H_
