#include "common/model/row_kernels.h"

#include <cmath>

#include "common/model/vector_math.h"

namespace shoal::model {
namespace {

// Calls body(i, load, store) for every eight values of a row, the last of them masked: a masked
// store costs several times a whole one.
template <class Body>
inline void ForEachVector(int64_t n, const Body& body) {
  int64_t i = 0;
  const auto load = [&](const float* p) { return _mm256_loadu_ps(p + i); };
  for (; i + 8 <= n; i += 8) {
    body(load, [&](float* p, __m256 v) { _mm256_storeu_ps(p + i, v); });
  }
  if (i == n) return;
  const __m256i mask = FirstLanes(n - i);
  body([&](const float* p) { return _mm256_maskload_ps(p + i, mask); },
       [&](float* p, __m256 v) { _mm256_maskstore_ps(p + i, mask, v); });
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
  ForEachVector(dim, [&](const auto& load, const auto& store) {
    store(out, _mm256_mul_ps(_mm256_mul_ps(load(x), scale), load(weight)));
  });
}

void RmsNormRow(const double* x, const double* weight, int64_t dim, double eps, double* out) {
  double square_sum = 0;
  for (int64_t i = 0; i < dim; ++i) square_sum += x[i] * x[i];
  const double scale = 1 / std::sqrt(square_sum / static_cast<double>(dim) + eps);
  for (int64_t i = 0; i < dim; ++i) out[i] = x[i] * scale * weight[i];
}

void SiluMultiplyRow(const float* gate, const float* up, int64_t n, float* out) {
  const __m256 one = _mm256_set1_ps(1.0f);
  ForEachVector(n, [&](const auto& load, const auto& store) {
    const __m256 g = load(gate);
    const __m256 e = Exp(_mm256_sub_ps(_mm256_setzero_ps(), g));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(one, e));
    store(out, _mm256_mul_ps(silu, load(up)));
  });
}

void SiluMultiplyRow(const double* gate, const double* up, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
}

void RotateRow(const float* x, const float* table, int64_t head_dim, float* out) {
  // Even lanes: a cos - b sin, odd lanes: b cos + a sin.
  ForEachVector(head_dim, [&](const auto& load, const auto& store) {
    const __m256 rotation = load(table);
    const __m256 v = load(x);
    const __m256 other = _mm256_permute_ps(v, 0b10110001);
    const __m256 cross = _mm256_mul_ps(other, _mm256_movehdup_ps(rotation));
    store(out, _mm256_fmaddsub_ps(v, _mm256_moveldup_ps(rotation), cross));
  });
}

void RotateRow(const double* x, const float* table, int64_t head_dim, double* out) {
  for (int64_t i = 0; i < head_dim; i += 2) {
    const double a = x[i];
    const double b = x[i + 1];
    out[i] = a * table[i] - b * table[i + 1];
    out[i + 1] = b * table[i] + a * table[i + 1];
  }
}

}  // namespace shoal::model
