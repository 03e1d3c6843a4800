#include "common/codec/streaming_conv.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace shoal::codec {
namespace {

at::Tensor ConvWeight(WeightReader& weights, const std::string& conv,
                      const std::vector<int64_t>& shape, StreamingConv::Norm norm) {
  return norm == StreamingConv::Norm::kWeightNorm ? weights.WeightNorm(conv, shape)
                                                  : weights.Plain(conv + ".weight", shape);
}

// Puts every stream's kept rows before its new ones, and keeps the last ones for the next step.
// `fill` writes the new rows of stream i to where it is told.
template <typename T, typename Fill>
at::Tensor Prepend(const Streams& streams, int64_t state, int64_t context, int64_t time,
                   int64_t channels, const Fill& fill) {
  at::Tensor joined =
      streams.Empty({streams.size(), context + time, channels}, c10::CppTypeToScalarType<T>::value);
  T* rows = joined.mutable_data_ptr<T>();
  const size_t kept_bytes = sizeof(T) * context * channels;
  for (int64_t i = 0; i < streams.size(); ++i, rows += (context + time) * channels) {
    T* kept = streams.State<T>(i, state);
    std::memcpy(rows, kept, kept_bytes);
    fill(i, rows + context * channels);
    std::memcpy(kept, rows + time * channels, kept_bytes);
  }
  return joined;
}

}  // namespace

StreamingConv StreamingConv::Causal(WeightReader& weights, const std::string& module, Sizes sizes,
                                    Norm norm, StateLayout& layout) {
  const std::string conv = module + ".conv";
  const at::Tensor weight = ConvWeight(weights, conv, {sizes.out, sizes.in, sizes.kernel}, norm);
  const at::Tensor bias = weights.Plain(conv + ".bias", {sizes.out});
  const int64_t context =
      std::max<int64_t>(0, (sizes.kernel - 1) * sizes.dilation + 1 - sizes.stride);
  return StreamingConv(
      WindowMatrix(weight.permute({0, 2, 1}).reshape({sizes.out, sizes.kernel * sizes.in}), bias),
      sizes.in, {sizes.kernel, sizes.dilation, sizes.stride}, context, /*interleave=*/1,
      layout.Reserve(context * sizes.in));
}

StreamingConv StreamingConv::Transposed(WeightReader& weights, const std::string& module,
                                        Sizes sizes, Norm norm, StateLayout& layout) {
  const std::string conv = module + ".conv";
  const int64_t stride = sizes.stride;
  const int64_t taps = (sizes.kernel + stride - 1) / stride;
  at::Tensor weight = ConvWeight(weights, conv, {sizes.in, sizes.out, sizes.kernel}, norm);
  const at::Tensor bias = weights.Plain(conv + ".bias", {sizes.out});
  // Element age * stride + r of a kernel meets the input `age` rows old in output r.
  weight = at::constant_pad_nd(weight, {0, taps * stride - sizes.kernel})
               .view({sizes.in, sizes.out, taps, stride})
               .flip({2})  // windows run from old to new
               .permute({3, 1, 2, 0})
               .reshape({stride * sizes.out, taps * sizes.in});
  return StreamingConv(WindowMatrix(weight, bias.repeat({stride})), sizes.in, {taps, 1, 1},
                       taps - 1, stride, layout.Reserve((taps - 1) * sizes.in));
}

at::Tensor StreamingConv::WithContext(const Streams& streams, const at::Tensor& x,
                                      const Snake* snake) const {
  const int64_t time = x.size(1);
  at::Tensor joined;
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "StreamingConv", [&] {
    const auto* from = x.const_data_ptr<scalar_t>();
    joined =
        Prepend<scalar_t>(streams, state_, context_, time, in_, [&](int64_t stream, scalar_t* to) {
          const scalar_t* rows = from + stream * x.stride(0);
          if (snake != nullptr) {
            snake->Apply(rows, to, time);
          } else {
            std::memcpy(to, rows, sizeof(scalar_t) * time * in_);
          }
        });
  });
  return joined;
}

void StreamingConv::To(const Streams& streams, const at::Tensor& x, const Extras& extras,
                       at::Tensor& y) const {
  const bool as_it_is = context_ == 0 && extras.before == nullptr;
  const at::Tensor input = as_it_is ? x : WithContext(streams, x, extras.before);
  matrix_.Multiply(input, window_, extras.after, extras.residual, y);
}

at::Tensor StreamingConv::operator()(const Streams& streams, const at::Tensor& x,
                                     const Extras& extras) const {
  const int64_t rows = WindowMatrix::Rows(context_ + x.size(1), window_);
  at::Tensor y = streams.Empty({x.size(0), rows * interleave_, matrix_.outputs() / interleave_},
                               x.scalar_type());
  To(streams, x, extras, y);
  return y;
}

at::Tensor StreamingConv::operator()(const Streams& streams, const at::Tensor& x) const {
  return (*this)(streams, x, {});
}

DepthwiseConv::DepthwiseConv(WeightReader& weights, const std::string& module, int64_t channels,
                             int64_t kernel, StateLayout& layout)
    : channels_(channels),
      kernel_(kernel),
      weight_(weights.Plain(module + ".conv.weight", {channels, 1, kernel})
                  .reshape({channels, kernel})
                  .t()
                  .contiguous()),
      bias_(weights.Plain(module + ".conv.bias", {channels})),
      state_(layout.Reserve((kernel - 1) * channels)) {}

at::Tensor DepthwiseConv::operator()(const Streams& streams, const at::Tensor& x) const {
  const int64_t time = x.size(1);
  at::Tensor y = streams.Empty({x.size(0), time, channels_}, x.scalar_type());
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "DepthwiseConv", [&] {
    const auto* from = x.const_data_ptr<scalar_t>();
    const at::Tensor joined = Prepend<scalar_t>(
        streams, state_, kernel_ - 1, time, channels_, [&](int64_t stream, scalar_t* to) {
          std::memcpy(to, from + stream * x.stride(0), sizeof(scalar_t) * time * channels_);
        });
    const auto* weight = weight_.const_data_ptr<scalar_t>();
    const auto* bias = bias_.const_data_ptr<scalar_t>();
    auto* to = y.mutable_data_ptr<scalar_t>();
    for (int64_t stream = 0; stream < x.size(0); ++stream) {
      const auto* rows = joined.const_data_ptr<scalar_t>() + stream * joined.stride(0);
      for (int64_t t = 0; t < time; ++t, rows += channels_, to += channels_) {
        for (int64_t c = 0; c < channels_; ++c) to[c] = bias[c];
        for (int64_t tap = 0; tap < kernel_; ++tap) {
          for (int64_t c = 0; c < channels_; ++c) {
            to[c] = std::fma(rows[tap * channels_ + c], weight[tap * channels_ + c], to[c]);
          }
        }
      }
    }
  });
  return y;
}

}  // namespace shoal::codec
