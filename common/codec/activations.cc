#include "common/codec/activations.h"

#include <immintrin.h>

#include <cmath>
#include <cstddef>

#include "common/model/vector_math.h"

namespace shoal::codec {
namespace {

__m256 Set(double x) { return _mm256_set1_ps(static_cast<float>(x)); }

// A polynomial by Horner's rule, coefficients from the constant on.
template <size_t kTerms>
__m256 Polynomial(__m256 x, const double (&coefficients)[kTerms]) {
  __m256 sum = Set(coefficients[kTerms - 1]);
  for (size_t i = kTerms - 1; i > 0; --i) sum = _mm256_fmadd_ps(sum, x, Set(coefficients[i - 1]));
  return sum;
}

__m256 Size(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
__m256 WithSignOf(__m256 size, __m256 x) {
  return _mm256_or_ps(size, _mm256_and_ps(_mm256_set1_ps(-0.0f), x));
}

// Weighted minimax fits. erf(x) / x - 1 over x^2 in [0, 1], relative error 1.2e-9; -log(erfc(x))
// over x in [1, 4], error 1.0e-9 in erf; (tanh(x) / x - 1) / x^2 over x^2 in [0, 0.35], error
// 2.5e-8.
constexpr double kErfSmall[] = {1.28379166e-01, -3.76126271e-01, 1.12836002e-01, -2.68544446e-02,
                                5.18953534e-03, -8.02084128e-04, 7.88911954e-05};
constexpr double kErfLarge[] = {3.53708923e-04,  1.12704008e+00, 6.38225602e-01, 1.03037436e-01,
                                -2.18053512e-02, 2.93961574e-03, -1.85574894e-04};
constexpr double kTanhSmall[] = {-0.33333331, 0.13332972, -0.05388298, 0.02115672, -0.0063407};
constexpr float kTanhSmallest = 0.59f;  // of the other branch

__m256 Erf(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 size = Size(x);
  const __m256 small = _mm256_fmadd_ps(Polynomial(_mm256_mul_ps(x, x), kErfSmall), x, x);
  // Beyond 4 it is 1 in float.
  const __m256 bounded = _mm256_min_ps(size, _mm256_set1_ps(4.0f));
  const __m256 complement =
      model::Exp(_mm256_sub_ps(_mm256_setzero_ps(), Polynomial(bounded, kErfLarge)));
  const __m256 large = WithSignOf(_mm256_sub_ps(one, complement), x);
  return _mm256_blendv_ps(small, large, _mm256_cmp_ps(size, one, _CMP_GT_OQ));
}

__m256 GeluOf(__m256 x) {
  const __m256 half = _mm256_mul_ps(x, _mm256_set1_ps(0.5f));
  return _mm256_fmadd_ps(half, Erf(_mm256_mul_ps(x, Set(M_SQRT1_2))), half);
}

__m256 TanhOf(__m256 x) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 size = Size(x);
  const __m256 square = _mm256_mul_ps(x, x);
  const __m256 small = _mm256_fmadd_ps(_mm256_mul_ps(square, Polynomial(square, kTanhSmall)), x, x);
  const __m256 grown = model::Exp(_mm256_add_ps(size, size));
  const __m256 rest = _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(grown, one));
  const __m256 large = WithSignOf(_mm256_sub_ps(one, rest), x);
  const __m256 use_large = _mm256_cmp_ps(size, _mm256_set1_ps(kTanhSmallest), _CMP_GT_OQ);
  return _mm256_blendv_ps(small, large, use_large);
}

template <typename Function>
void Apply(float* x, int64_t n, const Function& function) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(x + i, function(_mm256_loadu_ps(x + i)));
  if (i == n) return;
  const __m256i mask = model::FirstLanes(n - i);
  _mm256_maskstore_ps(x + i, mask, function(_mm256_maskload_ps(x + i, mask)));
}

// Sum of f(x[i]) in double, four partial sums.
template <typename Function>
double SumOf(const float* x, int64_t n, const Function& f) {
  __m256d sum = _mm256_setzero_pd();
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) sum = _mm256_add_pd(sum, f(_mm256_cvtps_pd(_mm_loadu_ps(x + i))));
  double lanes[4];
  for (int64_t lane = 0; i < n; ++i, ++lane) {
    _mm256_storeu_pd(lanes, f(_mm256_set1_pd(x[i])));
    sum = _mm256_add_pd(sum, _mm256_setr_pd(lane == 0 ? lanes[0] : 0, lane == 1 ? lanes[0] : 0,
                                            lane == 2 ? lanes[0] : 0, 0));
  }
  _mm256_storeu_pd(lanes, sum);
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

}  // namespace

void LayerNorm(float* x, int64_t rows, int64_t channels, const float* weight, const float* bias,
               double eps) {
  for (int64_t row = 0; row < rows; ++row, x += channels) {
    const double count = static_cast<double>(channels);
    const double mean = SumOf(x, channels, [](__m256d v) { return v; }) / count;
    const __m256d means = _mm256_set1_pd(mean);
    const double variance = SumOf(x, channels,
                                  [&](__m256d v) {
                                    const __m256d away = _mm256_sub_pd(v, means);
                                    return _mm256_mul_pd(away, away);
                                  }) /
                            count;
    const float scale = static_cast<float>(1 / std::sqrt(variance + eps));
    const float middle = static_cast<float>(mean);
    for (int64_t c = 0; c < channels; ++c) x[c] = (x[c] - middle) * scale * weight[c] + bias[c];
  }
}

void LayerNorm(double* x, int64_t rows, int64_t channels, const double* weight, const double* bias,
               double eps) {
  for (int64_t row = 0; row < rows; ++row, x += channels) {
    const double count = static_cast<double>(channels);
    double mean = 0;
    for (int64_t c = 0; c < channels; ++c) mean += x[c];
    mean /= count;
    double variance = 0;
    for (int64_t c = 0; c < channels; ++c) variance += (x[c] - mean) * (x[c] - mean);
    const double scale = 1 / std::sqrt(variance / count + eps);
    for (int64_t c = 0; c < channels; ++c) x[c] = (x[c] - mean) * scale * weight[c] + bias[c];
  }
}

void Gelu(float* x, int64_t n) { Apply(x, n, GeluOf); }
void Gelu(double* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = 0.5 * x[i] * (1 + std::erf(x[i] * M_SQRT1_2));
}

void Tanh(float* x, int64_t n) { Apply(x, n, TanhOf); }
void Tanh(double* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = std::tanh(x[i]);
}

bool AllFinite(const float* x, int64_t n) {
  // 0 times a number is 0, times an infinity or what is no number it is not.
  __m256 sum = _mm256_setzero_ps();
  for (int64_t i = 0; i < n; i += 8) {
    const __m256 part = _mm256_maskload_ps(x + i, model::FirstLanes(n - i));
    sum = _mm256_fmadd_ps(part, _mm256_setzero_ps(), sum);
  }
  return model::Sum(sum) == 0;
}
bool AllFinite(const double* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

}  // namespace shoal::codec
