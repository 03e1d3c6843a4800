#include "common/codec/attend.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/vector_math.h"

namespace shoal::codec {
namespace {

// The four sums of the lanes of four vectors, each in the same order.
__m128 Sums(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

// scores[0..4) = scale * query . keys[0..4)
void FourScores(const float* query, const float* const* keys, int64_t head_dim, float scale,
                float* scores) {
  __m256 sum[4] = {};
  int64_t d = 0;
  for (; d + 8 <= head_dim; d += 8) {
    const __m256 q = _mm256_loadu_ps(query + d);
    for (int i = 0; i < 4; ++i) {
      sum[i] = _mm256_fmadd_ps(q, _mm256_loadu_ps(keys[i] + d), sum[i]);
    }
  }
  if (d < head_dim) {
    const __m256i mask = model::FirstLanes(head_dim - d);
    const __m256 q = _mm256_maskload_ps(query + d, mask);
    for (int i = 0; i < 4; ++i) {
      sum[i] = _mm256_fmadd_ps(q, _mm256_maskload_ps(keys[i] + d, mask), sum[i]);
    }
  }
  const __m128 products = Sums(sum[0], sum[1], sum[2], sum[3]);
  _mm_storeu_ps(scores, _mm_mul_ps(products, _mm_set1_ps(scale)));
}

// Replaces scores by e^(score - largest) and returns their sum. What is no number stays none.
float Exponentials(float* scores, int64_t count) {
  const __m256 lowest = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  // Lanes beyond the last score are lowest: they add nothing.
  for (int64_t i = count; i < AttendScratch(count); ++i) {
    scores[i] = -std::numeric_limits<float>::infinity();
  }
  __m256 largest = lowest;
  for (int64_t i = 0; i < count; i += 8) {
    largest = _mm256_max_ps(largest, _mm256_loadu_ps(scores + i));
  }
  largest = _mm256_set1_ps(model::Max(largest));
  __m256 sum = _mm256_setzero_ps();
  for (int64_t i = 0; i < count; i += 8) {
    const __m256 x = _mm256_sub_ps(_mm256_loadu_ps(scores + i), largest);
    const __m256 none = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    const __m256 weight = _mm256_or_ps(model::Exp(x), none);
    _mm256_storeu_ps(scores + i, weight);
    sum = _mm256_add_ps(sum, weight);
  }
  return model::Sum(sum);
}

// out = sum_i weights[i] values[i] / total over kVectors * 8 elements.
template <int kVectors>
void WeightedSum(const float* weights, const float* const* values, int64_t count, int64_t from,
                 float total, float* out) {
  __m256 sum[kVectors] = {};
  for (int64_t i = 0; i < count; ++i) {
    const __m256 weight = _mm256_broadcast_ss(weights + i);
    const float* value = values[i] + from;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = _mm256_fmadd_ps(weight, _mm256_loadu_ps(value + 8 * v), sum[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    _mm256_storeu_ps(out + from + 8 * v, _mm256_div_ps(sum[v], _mm256_set1_ps(total)));
  }
}

}  // namespace

void Attend(const float* query, const float* const* keys, const float* const* values, int64_t count,
            int64_t head_dim, float* weights, float* out) {
  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) FourScores(query, keys + i, head_dim, scale, weights + i);
  if (i < count) {
    // The last rows with repetitions, so that every score is computed in one way.
    const float* rest[4];
    for (int64_t j = 0; j < 4; ++j) rest[j] = keys[std::min(i + j, count - 1)];
    FourScores(query, rest, head_dim, scale, weights + i);
  }
  const float total = Exponentials(weights, count);
  int64_t d = 0;
  for (; d + 64 <= head_dim; d += 64) WeightedSum<8>(weights, values, count, d, total, out);
  for (; d + 8 <= head_dim; d += 8) WeightedSum<1>(weights, values, count, d, total, out);
  for (; d < head_dim; ++d) {
    float sum = 0;
    for (i = 0; i < count; ++i) sum = std::fma(weights[i], values[i][d], sum);
    out[d] = sum / total;
  }
}

void Attend(const double* query, const double* const* keys, const double* const* values,
            int64_t count, int64_t head_dim, double* weights, double* out) {
  const double scale = 1 / std::sqrt(static_cast<double>(head_dim));
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < count; ++i) {
    weights[i] = 0;
    for (int64_t d = 0; d < head_dim; ++d) weights[i] += query[d] * keys[i][d];
    weights[i] *= scale;
    largest = std::max(largest, weights[i]);
  }
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    weights[i] = std::exp(weights[i] - largest);
    total += weights[i];
  }
  std::fill(out, out + head_dim, 0.0);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t d = 0; d < head_dim; ++d) out[d] += weights[i] * values[i][d];
  }
  for (int64_t d = 0; d < head_dim; ++d) out[d] /= total;
}

}  // namespace shoal::codec
