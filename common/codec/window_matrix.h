// A matrix of convolution weights, packed once for products with sliding windows of time.
//
// Owned by the layer that uses it; const after construction. Call from the thread that owns the
// model: work is shared among the intra-op threads where there is enough of it. A row of the result
// depends on its own window only (kernels/kernels.h), so it is bit-equal whatever stands around it.
#ifndef SHOAL_COMMON_CODEC_WINDOW_MATRIX_H_
#define SHOAL_COMMON_CODEC_WINDOW_MATRIX_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "common/codec/snake.h"

namespace shoal::codec {

class WindowMatrix {
 public:
  // weight: (outputs, inputs) float32 or float64; bias: (outputs) of that type, or undefined.
  WindowMatrix(const at::Tensor& weight, const at::Tensor& bias);

  // How a window of `inputs` elements lies in channels-last rows: `taps` rows, `dilation` apart,
  // the windows `stride` rows apart.
  struct Window {
    int64_t taps = 1;
    int64_t dilation = 1;
    int64_t stride = 1;
  };

  // Rows of results that rows of `time` hold the windows of.
  static int64_t Rows(int64_t time, Window window) {
    return (time - (window.taps - 1) * window.dilation - 1) / window.stride + 1;
  }

  // x: (streams, time, channels), taps * channels == inputs; y: (streams, rows * r, outputs / r) of
  // any r. Of each the last two axes are contiguous. `after`, when given, is applied to the
  // product, then residual added, which is like y and may be y.
  void Multiply(const at::Tensor& x, Window window, const Snake* after, const at::Tensor* residual,
                at::Tensor& y) const;

  int64_t outputs() const { return outputs_; }

 private:
  int64_t inputs_;
  int64_t outputs_;
  at::Tensor packed_;  // (panels, inputs, kPanel), or (inputs) for a single output
  at::Tensor bias_;    // (panels * kPanel)
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_WINDOW_MATRIX_H_
