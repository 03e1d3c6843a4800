#include "common/codec/window_matrix.h"

#include <ATen/Dispatch.h>

#include <algorithm>

#include "common/codec/kernels/kernels.h"
#include "common/model/parallel.h"

namespace shoal::codec {
namespace {

// Multiply-adds below which another thread costs more than it brings: a sleeping one takes some
// tens of microseconds to come, and this takes about sixty on one core.
constexpr int64_t kWorkPerThread = 1 << 23;

template <typename T>
void Run(const WindowProduct<T>& product) {
  const Kernels<T>& kernels = KernelsFor<T>(BestVectorUnit());
  const int64_t rows = product.streams * product.rows;
  const int64_t panels = product.panels();
  const int64_t work_per_tile = std::max<int64_t>(1, product.window() * kPanel);
  if (rows >= panels) {
    const int64_t grain = std::max<int64_t>(1, kWorkPerThread / (work_per_tile * panels));
    model::ParallelFor(rows, grain, [&](int64_t begin, int64_t end) {
      kernels.product(product, begin, end, 0, panels);
    });
  } else {
    const int64_t grain = std::max<int64_t>(1, kWorkPerThread / (work_per_tile * rows));
    model::ParallelFor(panels, grain, [&](int64_t begin, int64_t end) {
      kernels.product(product, 0, rows, begin, end);
    });
  }
}

}  // namespace

WindowMatrix::WindowMatrix(const at::Tensor& weight, const at::Tensor& bias)
    : inputs_(weight.size(1)), outputs_(weight.size(0)) {
  const int64_t panels = (outputs_ + kPanel - 1) / kPanel;
  bias_ = at::zeros({panels * kPanel}, weight.scalar_type());
  if (bias.defined()) bias_.narrow(0, 0, outputs_).copy_(bias);
  if (outputs_ == 1) {
    packed_ = weight.reshape({inputs_}).clone();
    return;
  }
  at::Tensor padded = at::zeros({panels * kPanel, inputs_}, weight.scalar_type());
  padded.narrow(0, 0, outputs_).copy_(weight);
  packed_ = padded.view({panels, kPanel, inputs_}).transpose(1, 2).contiguous();
}

void WindowMatrix::Multiply(const at::Tensor& x, Window window, const Snake* after,
                            const at::Tensor* residual, at::Tensor& y) const {
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "WindowMatrix", [&] {
    const int64_t channels = x.size(2);
    WindowProduct<scalar_t> product;
    product.x = x.const_data_ptr<scalar_t>();
    product.streams = x.size(0);
    product.rows = Rows(x.size(1), window);
    product.x_stream_stride = x.stride(0);
    product.x_row_stride = window.stride * channels;
    // Neighbouring rows lie side by side: an undilated window is one run.
    const bool one_run = window.dilation == 1;
    product.segments = one_run ? 1 : window.taps;
    product.segment_length = one_run ? window.taps * channels : channels;
    product.segment_stride = window.dilation * channels;
    product.packed = packed_.const_data_ptr<scalar_t>();
    product.bias = bias_.const_data_ptr<scalar_t>();
    product.outputs = outputs_;
    product.y = y.mutable_data_ptr<scalar_t>();
    product.y_stream_stride = y.stride(0);
    product.residual = residual == nullptr ? nullptr : residual->const_data_ptr<scalar_t>();
    product.residual_stream_stride = residual == nullptr ? 0 : residual->stride(0);
    product.alpha = after == nullptr ? nullptr : after->alpha().const_data_ptr<scalar_t>();
    product.inverse = after == nullptr ? nullptr : after->inverse().const_data_ptr<scalar_t>();
    Run(product);
  });
}

}  // namespace shoal::codec
