// Loops over one row, each result a function of that row alone. float runs on vectors, double is
// plain; `out` may be the (first) input row.
#ifndef SHOAL_COMMON_MODEL_ROW_KERNELS_H_
#define SHOAL_COMMON_MODEL_ROW_KERNELS_H_

#include <cstdint>

namespace shoal::model {

// out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]
void RmsNormRow(const float* x, const float* weight, int64_t dim, double eps, float* out);
void RmsNormRow(const double* x, const double* weight, int64_t dim, double eps, double* out);

// out[i] = silu(gate[i]) * up[i]
void SiluMultiplyRow(const float* gate, const float* up, int64_t n, float* out);
void SiluMultiplyRow(const double* gate, const double* up, int64_t n, double* out);

// Rotates the pairs (2i, 2i + 1) of one head by table (head_dim/2, 2), which holds (cos, sin).
void RotateRow(const float* x, const float* table, int64_t head_dim, float* out);
void RotateRow(const double* x, const float* table, int64_t head_dim, double* out);

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_ROW_KERNELS_H_
