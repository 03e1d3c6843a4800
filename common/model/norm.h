// Root-mean-square normalisation over the last dimension.
//
// y = x / sqrt(mean(x^2) + eps) * weight. Computed in float32 (float64 when x is float64). A row's
// result depends on that row only, so it is bit-equal in any batch. Free function without state.
#ifndef SHOAL_COMMON_MODEL_NORM_H_
#define SHOAL_COMMON_MODEL_NORM_H_

#include <ATen/ATen.h>

namespace shoal::model {

// x: (..., dim), weight: (dim) of the same type -> a new tensor like x.
at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_NORM_H_
