#include "common/model/rope.h"

#include <c10/util/Exception.h>

#include "common/model/row_kernels.h"

namespace shoal::model {
namespace {

template <class T>
void Rotate(const at::Tensor& x, const at::Tensor& table_rows, at::Tensor& out) {
  const int64_t heads = x.size(1);
  const int64_t head_dim = x.size(2);
  for (int64_t i = 0; i < x.size(0) * heads; ++i) {
    RotateRow(x.const_data_ptr<T>() + i * head_dim,
              table_rows.const_data_ptr<float>() + i / heads * head_dim, head_dim,
              out.mutable_data_ptr<T>() + i * head_dim);
  }
}

}  // namespace

at::Tensor RopeTable(int64_t positions, int64_t head_dim, double base) {
  return RopeRows(0, positions, head_dim, base);
}

at::Tensor RopeRows(int64_t start, int64_t n, int64_t head_dim, double base) {
  TORCH_CHECK(head_dim % 2 == 0, "the head size of a rotation must be even, not ", head_dim);
  const at::TensorOptions options = at::TensorOptions(at::kFloat);
  // Every step in float32, as training did it: powers, reciprocals, products, cos and sin.
  const at::Tensor exponents = at::arange(0, head_dim, 2, options) / head_dim;
  const at::Tensor frequencies = at::reciprocal(at::pow(at::Scalar(base), exponents));
  const at::Tensor positions = at::arange(start, start + n, options);
  const at::Tensor angles = at::outer(positions, frequencies);
  const at::Tensor rotation = at::view_as_real(at::polar(at::ones_like(angles), angles));
  return rotation.to(at::kBFloat16).to(at::kFloat).contiguous();
}

at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& table_rows) {
  TORCH_CHECK(x.dim() == 3 && table_rows.dim() == 3 && table_rows.size(0) == x.size(0) &&
                  2 * table_rows.size(1) == x.size(2),
              "a rotation table of shape ", table_rows.sizes(), " does not fit ", x.sizes());
  const at::Tensor rows = x.contiguous();
  const at::Tensor table = table_rows.contiguous();
  at::Tensor out = at::empty_like(rows);
  if (x.scalar_type() == at::kDouble) {
    Rotate<double>(rows, table, out);
  } else {
    Rotate<float>(rows, table, out);
  }
  return out;
}

}  // namespace shoal::model
