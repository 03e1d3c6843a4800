#include "common/codec/conv_blocks.h"

#include <ATen/Dispatch.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/codec/activations.h"

namespace shoal::codec {
namespace {

constexpr int64_t kUnitKernel = 7;
constexpr int64_t kDilations[] = {1, 3, 9};
constexpr double kLayerNormEps = 1e-6;

// Elements of a block's widest activation that are worked on at a time, so that they and the
// weights stay in a core's own cache. Cutting the time changes no result.
constexpr int64_t kPieceElements = 1 << 16;

// Runs piece(streams, x, y) over parts of x (streams, time, channels) and of the result: few
// streams at a time, and of each about `piece_time` rows at a time.
// -> (streams, time * grow / shrink, out); time is a multiple of shrink.
template <typename Piece>
at::Tensor InPieces(const Streams& streams, const at::Tensor& x, int64_t piece_time, int64_t grow,
                    int64_t shrink, int64_t out, const Piece& piece) {
  const int64_t time = x.size(1);
  at::Tensor y = streams.Empty({streams.size(), time * grow / shrink, out}, x.scalar_type());
  if (streams.size() * time <= piece_time) {
    piece(streams, x, y);
    return y;
  }
  const int64_t together = std::max<int64_t>(1, piece_time / time);
  const int64_t pieces = (time + piece_time - 1) / piece_time;
  const int64_t step = (time / shrink + pieces - 1) / pieces * shrink;  // pieces of equal length
  for (int64_t stream = 0; stream < streams.size(); stream += together) {
    const int64_t count = std::min(together, streams.size() - stream);
    const Streams some = streams.Part(stream, count);
    for (int64_t t = 0; t < time; t += step) {
      const int64_t n = std::min(step, time - t);
      at::Tensor y_part =
          y.narrow(0, stream, count).narrow(1, t * grow / shrink, n * grow / shrink);
      piece(some, x.narrow(0, stream, count).narrow(1, t, n), y_part);
    }
  }
  return y;
}

}  // namespace

ResidualUnit::ResidualUnit(WeightReader& weights, const std::string& module, int64_t channels,
                           int64_t dilation, StateLayout& layout)
    : first_snake_(weights, module + ".block.0", channels),
      dilated_(StreamingConv::Causal(weights, module + ".block.1",
                                     {channels, channels, kUnitKernel, dilation},
                                     StreamingConv::Norm::kWeightNorm, layout)),
      second_snake_(weights, module + ".block.2", channels),
      pointwise_(StreamingConv::Causal(weights, module + ".block.3", {channels, channels, 1},
                                       StreamingConv::Norm::kWeightNorm, layout)) {}

at::Tensor ResidualUnit::Hidden(const Streams& streams, const at::Tensor& x) const {
  return dilated_(streams, x, {.before = &first_snake_, .after = &second_snake_});
}

at::Tensor ResidualUnit::operator()(const Streams& streams, const at::Tensor& x) const {
  return pointwise_(streams, Hidden(streams, x), {.residual = &x});
}

void ResidualUnit::InPlace(const Streams& streams, at::Tensor& x) const {
  pointwise_.To(streams, Hidden(streams, x), {.residual = &x}, x);
}

std::vector<ResidualUnit> LoadResidualUnits(WeightReader& weights, const std::string& block,
                                            int first_index, int64_t channels,
                                            StateLayout& layout) {
  std::vector<ResidualUnit> units;
  for (const int64_t dilation : kDilations) {
    const std::string unit = absl::StrCat(block, ".block.", first_index + units.size());
    units.emplace_back(weights, unit, channels, dilation, layout);
  }
  return units;
}

EncoderBlock::EncoderBlock(WeightReader& weights, const std::string& module, int64_t in,
                           int64_t stride, StateLayout& layout)
    : in_(in),
      stride_(stride),
      units_(LoadResidualUnits(weights, module, 0, in, layout)),
      snake_(weights, module + ".block.3", in),
      down_(StreamingConv::Causal(weights, module + ".block.4",
                                  {in, 2 * in, 2 * stride, /*dilation=*/1, stride},
                                  StreamingConv::Norm::kWeightNorm, layout)) {}

void EncoderBlock::Piece(const Streams& streams, const at::Tensor& x, at::Tensor& y) const {
  at::Tensor h = units_[0](streams, x);
  for (size_t i = 1; i < units_.size(); ++i) units_[i].InPlace(streams, h);
  down_.To(streams, h, {.before = &snake_}, y);
}

at::Tensor EncoderBlock::operator()(const Streams& streams, const at::Tensor& x) const {
  const int64_t piece = std::max(stride_, kPieceElements / in_);
  return InPieces(streams, x, piece, 1, stride_, 2 * in_,
                  [&](const Streams& some, const at::Tensor& part, at::Tensor& y_part) {
                    Piece(some, part, y_part);
                  });
}

DecoderBlock::DecoderBlock(WeightReader& weights, const std::string& module, int64_t in,
                           int64_t stride, StateLayout& layout)
    : in_(in),
      stride_(stride),
      snake_(weights, module + ".block.0", in),
      up_(StreamingConv::Transposed(weights, module + ".block.1",
                                    {in, in / 2, 2 * stride, /*dilation=*/1, stride},
                                    StreamingConv::Norm::kWeightNorm, layout)),
      units_(LoadResidualUnits(weights, module, 2, in / 2, layout)) {}

void DecoderBlock::Piece(const Streams& streams, const at::Tensor& x, at::Tensor& y) const {
  up_.To(streams, x, {.before = &snake_}, y);
  for (const ResidualUnit& unit : units_) unit.InPlace(streams, y);
}

at::Tensor DecoderBlock::operator()(const Streams& streams, const at::Tensor& x) const {
  const int64_t piece = std::max<int64_t>(1, kPieceElements / (in_ / 2 * stride_));
  return InPieces(streams, x, piece, stride_, 1, in_ / 2,
                  [&](const Streams& some, const at::Tensor& part, at::Tensor& y_part) {
                    Piece(some, part, y_part);
                  });
}

ConvNext::ConvNext(WeightReader& weights, const std::string& module, int64_t channels,
                   model::ProductMode mode, StateLayout& layout)
    : depthwise_(weights, module + ".dwconv", channels, kUnitKernel, layout),
      norm_weight_(weights.Plain(module + ".norm.weight", {channels})),
      norm_bias_(weights.Plain(module + ".norm.bias", {channels})),
      widen_(weights.Plain(module + ".pwconv1.weight", {4 * channels, channels}),
             weights.Plain(module + ".pwconv1.bias", {4 * channels}), mode),
      narrow_(weights.Plain(module + ".pwconv2.weight", {channels, 4 * channels}) *
                  weights.Plain(module + ".gamma", {channels}).unsqueeze(1),
              weights.Plain(module + ".pwconv2.bias", {channels}) *
                  weights.Plain(module + ".gamma", {channels}),
              mode) {}

at::Tensor ConvNext::operator()(const Streams& streams, const at::Tensor& x) const {
  at::Tensor h = depthwise_(streams, x);
  const int64_t channels = h.size(2);
  const int64_t rows = h.numel() / channels;
  AT_DISPATCH_FLOATING_TYPES(h.scalar_type(), "ConvNext", [&] {
    LayerNorm(h.mutable_data_ptr<scalar_t>(), rows, channels,
              norm_weight_.const_data_ptr<scalar_t>(), norm_bias_.const_data_ptr<scalar_t>(),
              kLayerNormEps);
  });
  if (h.scalar_type() == at::kDouble) {
    at::Tensor wide = widen_(h);
    Gelu(wide.mutable_data_ptr<double>(), wide.numel());
    return narrow_.AddTo(x, wide);
  }
  at::Tensor wide = streams.Empty({rows, 4 * channels}, at::kFloat);
  auto* inner = wide.mutable_data_ptr<float>();
  widen_.Multiply(h.const_data_ptr<float>(), rows, nullptr, inner);
  Gelu(inner, wide.numel());
  // What went in is no longer needed: the result takes its place.
  const at::Tensor residual = x.contiguous();
  narrow_.Multiply(inner, rows, residual.const_data_ptr<float>(), h.mutable_data_ptr<float>());
  return h;
}

}  // namespace shoal::codec
