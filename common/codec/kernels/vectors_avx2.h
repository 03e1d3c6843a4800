// Vectors of 256 bits for the templates of tiles.h.
#ifndef SHOAL_COMMON_CODEC_KERNELS_VECTORS_AVX2_H_
#define SHOAL_COMMON_CODEC_KERNELS_VECTORS_AVX2_H_

#include <immintrin.h>
#include <math.h>

#include "common/codec/kernels/tiles.h"

namespace shoal::codec {
namespace {

// sin^2 of the lanes of `y` by the C library.
template <class V>
typename V::Type SinSquaredByLane(typename V::Type y) {
  typename V::Element lanes[V::kWidth];
  V::Store(lanes, y);
  for (auto& lane : lanes) {
    const auto sine = static_cast<typename V::Element>(
        sizeof(lane) == sizeof(float) ? sinf(static_cast<float>(lane)) : sin(lane));
    lane = sine * sine;
  }
  return V::Load(lanes);
}

struct Float8 {
  using Element = float;
  using Type = __m256;
  static constexpr int kWidth = 8;
  static __m256i Mask(int64_t n) {  // the first n lanes
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Type Zero() { return _mm256_setzero_ps(); }
  static Type Set(float x) { return _mm256_set1_ps(x); }
  static Type Load(const float* p) { return _mm256_loadu_ps(p); }
  static Type LoadPartial(const float* p, int64_t n) { return _mm256_maskload_ps(p, Mask(n)); }
  static void Store(float* p, Type x) { _mm256_storeu_ps(p, x); }
  static void StorePartial(float* p, Type x, int64_t n) { _mm256_maskstore_ps(p, Mask(n), x); }
  static Type Add(Type a, Type b) { return _mm256_add_ps(a, b); }
  static Type Subtract(Type a, Type b) { return _mm256_sub_ps(a, b); }
  static Type Multiply(Type a, Type b) { return _mm256_mul_ps(a, b); }
  static Type MultiplyAdd(Type a, Type b, Type c) { return _mm256_fmadd_ps(a, b, c); }
  static Type NegativeMultiplyAdd(Type a, Type b, Type c) { return _mm256_fnmadd_ps(a, b, c); }
  static float Sum(Type x) {
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
  }
  static constexpr int kNarrowVectors = 4;
  template <int kChannels>
  static Type Repeat(const float* p) {
    if constexpr (kChannels == 8) return Load(p);
    if constexpr (kChannels == 4) return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p));
    if constexpr (kChannels == 2)
      return _mm256_castpd_ps(_mm256_broadcast_sd(reinterpret_cast<const double*>(p)));
  }
  template <int kChannels>
  [[gnu::always_inline]] static Type Spread(Type x, int c) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i from = _mm256_or_si256(_mm256_and_si256(lane, _mm256_set1_epi32(8 - kChannels)),
                                         _mm256_set1_epi32(c));
    return _mm256_permutevar8x32_ps(x, from);
  }
  static Type SinSquared(Type y) {
    const Type size = _mm256_andnot_ps(Set(-0.0f), y);
    const Type large = _mm256_cmp_ps(size, Set(kLargestReduced), _CMP_GT_OQ);
    const Type result = SinSquaredReduced<Float8>(y);
    if (_mm256_movemask_ps(large) == 0) return result;
    return _mm256_blendv_ps(result, SinSquaredByLane<Float8>(y), large);
  }
};

struct Double4 {
  using Element = double;
  using Type = __m256d;
  static constexpr int kWidth = 4;
  static __m256i Mask(int64_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Type Zero() { return _mm256_setzero_pd(); }
  static Type Set(double x) { return _mm256_set1_pd(x); }
  static Type Load(const double* p) { return _mm256_loadu_pd(p); }
  static Type LoadPartial(const double* p, int64_t n) { return _mm256_maskload_pd(p, Mask(n)); }
  static void Store(double* p, Type x) { _mm256_storeu_pd(p, x); }
  static void StorePartial(double* p, Type x, int64_t n) { _mm256_maskstore_pd(p, Mask(n), x); }
  static Type Add(Type a, Type b) { return _mm256_add_pd(a, b); }
  static Type Multiply(Type a, Type b) { return _mm256_mul_pd(a, b); }
  static Type MultiplyAdd(Type a, Type b, Type c) { return _mm256_fmadd_pd(a, b, c); }
  static double Sum(Type x) {
    const __m128d sum = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(sum, _mm_unpackhi_pd(sum, sum)));
  }
  static Type SinSquared(Type y) { return SinSquaredByLane<Double4>(y); }
};

}  // namespace
}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_VECTORS_AVX2_H_
