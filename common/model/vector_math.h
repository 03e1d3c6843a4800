// Eight floats at a time: the few functions that row kernels need beyond single instructions.
//
// Fixed sequences of exactly rounded operations, so that the result is the same on every machine
// and in every lane.
#ifndef SHOAL_COMMON_MODEL_VECTOR_MATH_H_
#define SHOAL_COMMON_MODEL_VECTOR_MATH_H_

#include <immintrin.h>

namespace shoal::model {

// e^x to about 1e-7 of its value; 0 below -87.3 (so also for -infinity), at most e^88.37.
inline __m256 Exp(__m256 x) {
  const __m256 smallest = _mm256_set1_ps(-87.33654f);
  const __m256 keep = _mm256_cmp_ps(x, smallest, _CMP_GE_OQ);
  const __m256 clamped =
      _mm256_min_ps(_mm256_max_ps(x, smallest), _mm256_set1_ps(88.3762626647949f));
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts keeps r exact.
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(clamped, _mm256_set1_ps(1.44269504088896341f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), clamped);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  // Minimax polynomial for (e^r - 1 - r) / r^2 on that range (Cephes expf).
  __m256 y = _mm256_set1_ps(1.9875691500e-4f);
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.3981999507e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(8.3334519073e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(4.1665795894e-2f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.6666665459e-1f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(5.0000001201e-1f));
  y = _mm256_fmadd_ps(y, _mm256_mul_ps(r, r), _mm256_add_ps(r, _mm256_set1_ps(1.0f)));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_and_ps(_mm256_mul_ps(y, _mm256_castsi256_ps(exponent)), keep);
}

// Sum and maximum of the lanes, pairwise.
inline float Sum(__m256 v) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

inline float Max(__m256 v) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}

// Lanes [0, left) of a vector; all eight from left = 8 on, none below 1.
inline __m256i FirstLanes(long left) {
  const int count = left < 8 ? static_cast<int>(left) : 8;
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_VECTOR_MATH_H_
