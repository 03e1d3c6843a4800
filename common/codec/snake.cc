#include "common/codec/snake.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <numeric>

#include "common/codec/kernels/kernels.h"
#include "common/model/parallel.h"

namespace shoal::codec {
namespace {

// Elements below which another thread costs more than it brings.
constexpr int64_t kGrain = 1 << 17;

}  // namespace

Snake::Snake(WeightReader& weights, const std::string& module, int64_t channels)
    : channels_(channels),
      alpha_(weights.Plain(module + ".alpha", {1, channels, 1})
                 .reshape({channels})
                 .repeat({std::lcm(channels, kPanel) / channels})),
      inverse_((alpha_ + 1e-9).reciprocal()) {}

at::Tensor Snake::operator()(const at::Tensor& x) const {
  at::Tensor y = at::empty_like(x);
  Apply(x.const_data_ptr(), y.mutable_data_ptr(), x.numel() / channels_);
  return y;
}

void Snake::Apply(const void* x, void* y, int64_t rows) const {
  AT_DISPATCH_FLOATING_TYPES(alpha_.scalar_type(), "Snake", [&] {
    const Kernels<scalar_t>& kernels = KernelsFor<scalar_t>(BestVectorUnit());
    const auto* from = static_cast<const scalar_t*>(x);
    auto* to = static_cast<scalar_t*>(y);
    const auto* alpha = alpha_.const_data_ptr<scalar_t>();
    const auto* inverse = inverse_.const_data_ptr<scalar_t>();
    const int64_t period = alpha_.numel();
    const int64_t elements = rows * channels_;
    const int64_t whole = elements / period;
    const int64_t grain = std::max<int64_t>(1, kGrain / period);
    model::ParallelFor(whole, grain, [&](int64_t begin, int64_t end) {
      kernels.snake(from + begin * period, to + begin * period, end - begin, period, alpha,
                    inverse);
    });
    if (const int64_t left = elements - whole * period; left > 0) {
      kernels.snake(from + whole * period, to + whole * period, 1, left, alpha, inverse);
    }
  });
}

}  // namespace shoal::codec
