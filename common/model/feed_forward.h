// The gated feed-forward of a transformer layer: w2(silu(w1 x) * (w3 x)).
//
// Owned by the layer; const after construction. In deterministic mode a row's result does not
// depend on the batch around it.
#ifndef SHOAL_COMMON_MODEL_FEED_FORWARD_H_
#define SHOAL_COMMON_MODEL_FEED_FORWARD_H_

#include <ATen/ATen.h>

#include "common/model/linear.h"

namespace shoal::model {

// gate_up: (..., 2 * n), the gate in the first half -> silu(gate) * up: (..., n). Row by row.
at::Tensor SiluMultiply(const at::Tensor& gate_up);

class FeedForward {
 public:
  // w1 (gate), w3 (up): (intermediate, dim); w2: (dim, intermediate).
  FeedForward(const at::Tensor& w1, const at::Tensor& w2, const at::Tensor& w3, ProductMode mode);

  // x: (..., dim) -> (..., dim)
  at::Tensor operator()(const at::Tensor& x) const;
  // residual + operator()(x); residual: (..., dim)
  at::Tensor AddTo(const at::Tensor& residual, const at::Tensor& x) const;
  // The same without tensors, in place: y[i] += operator()(x[i]). x, y: (rows, dim); scratch:
  // (rows, scratch_width()). REQUIRES: the weights are float32.
  void AddTo(const float* x, int64_t rows, float* scratch, float* y) const;
  int64_t scratch_width() const { return gate_up_.out_features(); }

 private:
  Linear gate_up_;  // (2 * intermediate, dim): w1 over w3, one product instead of two
  Linear down_;
};

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_FEED_FORWARD_H_
