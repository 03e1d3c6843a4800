// Compiled for AVX-512: nothing here may run, or be linked as an inline function of another source,
// on a machine without it. Hence only kernels.h, intrinsics and unnamed namespaces.
#include "common/codec/kernels/kernels_by_unit.h"
#include "common/codec/kernels/narrow_tiles.h"
#include "common/codec/kernels/vectors_avx2.h"

namespace shoal::codec {
namespace {

struct Float16 {
  using Element = float;
  using Type = __m512;
  static constexpr int kWidth = 16;
  static __mmask16 Mask(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Type Zero() { return _mm512_setzero_ps(); }
  static Type Set(float x) { return _mm512_set1_ps(x); }
  static Type Load(const float* p) { return _mm512_loadu_ps(p); }
  static Type LoadPartial(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(Mask(n), p); }
  static void Store(float* p, Type x) { _mm512_storeu_ps(p, x); }
  static void StorePartial(float* p, Type x, int64_t n) { _mm512_mask_storeu_ps(p, Mask(n), x); }
  static Type Add(Type a, Type b) { return _mm512_add_ps(a, b); }
  static Type Subtract(Type a, Type b) { return _mm512_sub_ps(a, b); }
  static Type Multiply(Type a, Type b) { return _mm512_mul_ps(a, b); }
  static Type MultiplyAdd(Type a, Type b, Type c) { return _mm512_fmadd_ps(a, b, c); }
  static Type NegativeMultiplyAdd(Type a, Type b, Type c) { return _mm512_fnmadd_ps(a, b, c); }
  static constexpr int kNarrowVectors = 8;
  template <int kChannels>
  static Type Repeat(const float* p) {
    if constexpr (kChannels == 8)
      return _mm512_castpd_ps(
          _mm512_broadcast_f64x4(_mm256_loadu_pd(reinterpret_cast<const double*>(p))));
    if constexpr (kChannels == 4) return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
    if constexpr (kChannels == 2)
      return _mm512_castpd_ps(_mm512_broadcastsd_pd(
          _mm_castps_pd(_mm_loadl_pi(_mm_setzero_ps(), reinterpret_cast<const __m64*>(p)))));
  }
  template <int kChannels>
  [[gnu::always_inline]] static Type Spread(Type x, int c) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i from = _mm512_or_si512(_mm512_and_si512(lane, _mm512_set1_epi32(16 - kChannels)),
                                         _mm512_set1_epi32(c));
    return _mm512_permutexvar_ps(from, x);
  }
  static Type SinSquared(Type y) {
    const __mmask16 large = _mm512_cmp_ps_mask(_mm512_abs_ps(y), Set(kLargestReduced), _CMP_GT_OQ);
    const Type result = SinSquaredReduced<Float16>(y);
    if (large == 0) return result;
    return _mm512_mask_blend_ps(large, result, SinSquaredByLane<Float16>(y));
  }
};

// 32 registers, 24 of them accumulators.
struct FloatTiles {
  static constexpr int kMaxRows = 12;
  static constexpr int Panels(int rows) { return rows == 1 ? 8 : rows <= 6 ? 4 : 2; }
};

}  // namespace

const Kernels<float> kFloatAvx512 = {&FloatProduct<Float16, FloatTiles, Float8>, &Snake<Float16>};

}  // namespace shoal::codec
