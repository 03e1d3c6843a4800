#include "common/model/row_kernels.h"

#include <cmath>

#include "common/model/vector_math.h"

namespace shoal::model {
namespace {

template <class T>
void RotatePairs(const T* x, const float* table, int64_t head_dim, T* out) {
  for (int64_t i = 0; i < head_dim; i += 2) {
    const T a = x[i];
    const T b = x[i + 1];
    const T cos = table[i];
    const T sin = table[i + 1];
    out[i] = a * cos - b * sin;
    out[i + 1] = b * cos + a * sin;
  }
}

}  // namespace

void RmsNormRow(const float* x, const float* weight, int64_t dim, double eps, float* out) {
  __m256 sums[4] = {};
  int64_t i = 0;
  for (; i + 32 <= dim; i += 32) {
    for (int j = 0; j < 4; ++j) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * j);
      sums[j] = _mm256_fmadd_ps(v, v, sums[j]);
    }
  }
  for (; i < dim; i += 8) {
    const __m256 v = _mm256_maskload_ps(x + i, FirstLanes(dim - i));
    sums[0] = _mm256_fmadd_ps(v, v, sums[0]);
  }
  const float square_sum =
      Sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
  const float mean = square_sum / static_cast<float>(dim);
  const __m256 scale = _mm256_set1_ps(1.0f / std::sqrt(mean + static_cast<float>(eps)));
  for (i = 0; i < dim; i += 8) {
    const __m256i mask = FirstLanes(dim - i);
    const __m256 scaled = _mm256_mul_ps(_mm256_maskload_ps(x + i, mask), scale);
    _mm256_maskstore_ps(out + i, mask, _mm256_mul_ps(scaled, _mm256_maskload_ps(weight + i, mask)));
  }
}

void RmsNormRow(const double* x, const double* weight, int64_t dim, double eps, double* out) {
  double square_sum = 0;
  for (int64_t i = 0; i < dim; ++i) square_sum += x[i] * x[i];
  const double scale = 1 / std::sqrt(square_sum / static_cast<double>(dim) + eps);
  for (int64_t i = 0; i < dim; ++i) out[i] = x[i] * scale * weight[i];
}

void SiluMultiplyRow(const float* gate, const float* up, int64_t n, float* out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < n; i += 8) {
    const __m256i mask = FirstLanes(n - i);
    const __m256 g = _mm256_maskload_ps(gate + i, mask);
    const __m256 e = Exp(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    _mm256_maskstore_ps(out + i, mask, _mm256_mul_ps(silu, _mm256_maskload_ps(up + i, mask)));
  }
}

void SiluMultiplyRow(const double* gate, const double* up, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

void RotateRow(const float* x, const float* table, int64_t head_dim, float* out) {
  RotatePairs(x, table, head_dim, out);
}

void RotateRow(const double* x, const float* table, int64_t head_dim, double* out) {
  RotatePairs(x, table, head_dim, out);
}

}  // namespace shoal::model
