// A linear layer y = x W^T + b.
//
// Owned by the layer that uses it; const after construction, so any thread may call it.
#ifndef SHOAL_COMMON_MODEL_LINEAR_H_
#define SHOAL_COMMON_MODEL_LINEAR_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "common/model/packed_matrix.h"

namespace shoal::model {

// How the products of a model are computed.
//   kFast           whatever is fastest for the batch at hand
//   kDeterministic  a row's result never depends on the rows beside it: it is bit-equal alone, in
//                   any batch and at any place in it
// A float32 Linear is packed (packed_matrix.h) in either mode: nothing faster was found for any
// number of rows, so there the two are one. In float64 the fast mode leaves the choice to ATen and
// the deterministic one gives ATen tiles of one fixed number of rows.
enum class ProductMode { kFast, kDeterministic };

class Linear {
 public:
  // weight: (out, in) float32, which is packed and not kept, or float64; bias: (out) of its type.
  Linear(const at::Tensor& weight, std::optional<at::Tensor> bias, ProductMode mode);

  // x: (..., in) of the weight's type -> (..., out)
  at::Tensor operator()(const at::Tensor& x) const;
  // residual + operator()(x), where the product's end adds it; residual: (..., out)
  at::Tensor AddTo(const at::Tensor& residual, const at::Tensor& x) const;
  // The same without tensors: y[i] = x[i] W^T + b, then + residual[i] where that is given. x:
  // (rows, in); residual, y: (rows, out) and may be the same. REQUIRES: the weight is float32.
  void Multiply(const float* x, int64_t rows, const float* residual, float* y) const;

  int64_t in_features() const { return in_features_; }
  int64_t out_features() const { return out_features_; }

 private:
  at::Tensor MultiplyPacked(const at::Tensor& x, const at::Tensor* residual) const;

  ProductMode mode_;
  int64_t in_features_;
  int64_t out_features_;
  at::Tensor weight_;               // (out, in) float64; undefined where packed
  std::optional<at::Tensor> bias_;  // (out)
  PackedMatrix packed_;             // empty where not packed
};

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_LINEAR_H_
