#include "common/model/linear.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

namespace shoal::model {
namespace {

// Rows of every product of the float64 path in deterministic mode: a library's choice of kernel,
// and with it the order of its sums, changes with the number of rows, so it is always the same.
constexpr int64_t kTileRows = 8;

// x: (rows, in) -> (rows, out)
at::Tensor MultiplyInTiles(const at::Tensor& x, const at::Tensor& weight) {
  const int64_t rows = x.size(0);
  at::Tensor out = at::empty({rows, weight.size(0)}, x.options());
  at::Tensor tile = at::zeros({kTileRows, x.size(1)}, x.options());
  for (int64_t row = 0; row < rows; row += kTileRows) {
    const int64_t n = std::min(kTileRows, rows - row);
    tile.narrow(0, 0, n).copy_(x.narrow(0, row, n));
    out.narrow(0, row, n).copy_(at::mm(tile, weight.t()).narrow(0, 0, n));
  }
  return out;
}

}  // namespace

Linear::Linear(const at::Tensor& weight, std::optional<at::Tensor> bias, ProductMode mode)
    : mode_(mode),
      in_features_(weight.size(1)),
      out_features_(weight.size(0)),
      bias_(std::move(bias)) {
  const bool real = weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kDouble;
  TORCH_CHECK(weight.dim() == 2 && real,
              "a linear layer's weight must be (out, in), float32 or 64");
  if (bias_) bias_ = bias_->contiguous();
  if (weight.scalar_type() == at::kFloat) {
    const at::Tensor rows = weight.contiguous();
    packed_ = PackedMatrix(rows.const_data_ptr<float>(), out_features_, in_features_);
  } else {
    weight_ = weight.contiguous();
  }
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  if (!weight_.defined()) return MultiplyPacked(x, nullptr);
  if (mode_ == ProductMode::kFast) {
    return at::linear(x, weight_, bias_);
  }
  c10::DimVector shape(x.sizes());
  shape.back() = out_features_;
  at::Tensor y = MultiplyInTiles(x.reshape({-1, in_features_}), weight_);
  if (bias_) y.add_(*bias_);
  return y.view(shape);
}

at::Tensor Linear::AddTo(const at::Tensor& residual, const at::Tensor& x) const {
  if (!weight_.defined()) return MultiplyPacked(x, &residual);
  return (*this)(x).add_(residual);
}

at::Tensor Linear::MultiplyPacked(const at::Tensor& x, const at::Tensor* residual) const {
  TORCH_CHECK(x.scalar_type() == at::kFloat && x.size(-1) == in_features_, "a linear layer from ",
              in_features_, " float32 features got ", x.sizes(), " ", x.scalar_type());
  const at::Tensor rows = x.contiguous();
  c10::DimVector shape(x.sizes());
  shape.back() = out_features_;
  at::Tensor y = at::empty(shape, x.options());
  at::Tensor added;
  if (residual != nullptr) {
    TORCH_CHECK(residual->sizes() == y.sizes(), "a residual of shape ", residual->sizes(),
                " cannot be added to a product of shape ", y.sizes());
    added = residual->contiguous();
  }
  Multiply(rows.const_data_ptr<float>(), in_features_ > 0 ? x.numel() / in_features_ : 0,
           residual != nullptr ? added.const_data_ptr<float>() : nullptr,
           y.mutable_data_ptr<float>());
  return y;
}

void Linear::Multiply(const float* x, int64_t rows, const float* residual, float* y) const {
  packed_.Multiply(x, rows, bias_ ? bias_->const_data_ptr<float>() : nullptr, residual, y);
}

}  // namespace shoal::model
