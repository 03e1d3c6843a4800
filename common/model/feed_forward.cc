#include "common/model/feed_forward.h"

#include <optional>

#include "common/model/row_kernels.h"

namespace shoal::model {
namespace {

template <class T>
void MultiplyRows(const at::Tensor& gate_up, at::Tensor& out) {
  const int64_t n = out.size(-1);
  const int64_t rows = n > 0 ? out.numel() / n : 0;
  for (int64_t row = 0; row < rows; ++row) {
    const T* gate = gate_up.const_data_ptr<T>() + row * 2 * n;
    SiluMultiplyRow(gate, gate + n, n, out.mutable_data_ptr<T>() + row * n);
  }
}

}  // namespace

at::Tensor SiluMultiply(const at::Tensor& gate_up) {
  const at::Tensor rows = gate_up.contiguous();
  c10::DimVector shape(rows.sizes());
  shape.back() /= 2;
  at::Tensor out = at::empty(shape, rows.options());
  if (rows.scalar_type() == at::kDouble) {
    MultiplyRows<double>(rows, out);
  } else {
    MultiplyRows<float>(rows, out);
  }
  return out;
}

FeedForward::FeedForward(const at::Tensor& w1, const at::Tensor& w2, const at::Tensor& w3,
                         ProductMode mode)
    : gate_up_(at::cat({w1, w3}), std::nullopt, mode), down_(w2, std::nullopt, mode) {}

at::Tensor FeedForward::operator()(const at::Tensor& x) const {
  return down_(SiluMultiply(gate_up_(x)));
}

void FeedForward::AddTo(const float* x, int64_t rows, float* scratch, float* y) const {
  gate_up_.Multiply(x, rows, nullptr, scratch);
  // Row i of the result ends where the gate of row i + 1 has not begun yet.
  const int64_t n = down_.in_features();
  for (int64_t row = 0; row < rows; ++row) {
    const float* gate = scratch + row * 2 * n;
    SiluMultiplyRow(gate, gate + n, n, scratch + row * n);
  }
  down_.Multiply(scratch, rows, y, y);
}

at::Tensor FeedForward::AddTo(const at::Tensor& residual, const at::Tensor& x) const {
  return down_.AddTo(residual, SiluMultiply(gate_up_(x)));
}

}  // namespace shoal::model
