#include "common/codec/rope_rows.h"

#include <ATen/ATen.h>
#include <c10/util/BFloat16.h>

#include <cmath>

namespace shoal::codec {

RopeRows::RopeRows(int64_t head_dim, double base) {
  // The steps of model::RopeRows, by the same functions: powers differ between libraries.
  const at::Tensor exponents = at::arange(0, head_dim, 2, at::kFloat) / head_dim;
  const at::Tensor frequencies = at::reciprocal(at::pow(at::Scalar(base), exponents)).contiguous();
  const auto* values = frequencies.const_data_ptr<float>();
  frequencies_.assign(values, values + frequencies.numel());
}

void RopeRows::Fill(int64_t position, float* row) const {
  for (const float frequency : frequencies_) {
    const float angle = static_cast<float>(position) * frequency;
    *row++ = c10::BFloat16(std::cos(angle));
    *row++ = c10::BFloat16(std::sin(angle));
  }
}

}  // namespace shoal::codec
