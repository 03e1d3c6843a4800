#include "common/model/norm.h"

#include <c10/util/Exception.h>

#include "common/model/row_kernels.h"

namespace shoal::model {
namespace {

template <class T>
void NormRows(const at::Tensor& x, const at::Tensor& weight, double eps, at::Tensor& out) {
  const int64_t dim = x.size(-1);
  const int64_t rows = dim > 0 ? x.numel() / dim : 0;
  for (int64_t row = 0; row < rows; ++row) {
    RmsNormRow(x.const_data_ptr<T>() + row * dim, weight.const_data_ptr<T>(), dim, eps,
               out.mutable_data_ptr<T>() + row * dim);
  }
}

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  TORCH_CHECK(weight.is_contiguous() && weight.dim() == 1 && weight.size(0) == x.size(-1) &&
                  weight.scalar_type() == x.scalar_type(),
              "the weight of a norm must be (", x.size(-1), ") ", x.scalar_type());
  const at::Tensor rows = x.contiguous();
  at::Tensor out = at::empty_like(rows);
  if (x.scalar_type() == at::kDouble) {
    NormRows<double>(rows, weight, eps, out);
  } else {
    NormRows<float>(rows, weight, eps, out);
  }
  return out;
}

}  // namespace shoal::model
