#include "common/codec/codec_transformer.h"

#include "absl/strings/str_cat.h"
#include "common/model/norm.h"
#include "common/model/row_kernels.h"

namespace shoal::codec {
namespace {

model::Linear LoadLinear(WeightReader& weights, const std::string& module, int64_t out, int64_t in,
                         model::ProductMode mode) {
  return model::Linear(weights.Plain(module + ".weight", {out, in}),
                       weights.Plain(module + ".bias", {out}), mode);
}

}  // namespace

CodecTransformer::CodecTransformer(WeightReader& weights, const std::string& module,
                                   const checkpoint::CodecTransformerConfig& config, int64_t width,
                                   model::ProductMode mode, StateLayout& layout)
    : config_(config),
      norm_(weights.Plain(module + ".norm.weight", {config.dim})),
      rope_(config.head_dim, config.rope_base),
      position_(layout.ReserveCounter()) {
  if (width != config.dim) {
    input_proj_ = LoadLinear(weights, module + ".input_proj", config.dim, width, mode);
    output_proj_ = LoadLinear(weights, module + ".output_proj", width, config.dim, mode);
  }
  for (int64_t i = 0; i < config.n_layer; ++i) {
    layers_.push_back(LoadLayer(weights, absl::StrCat(module, ".layers.", i), mode, layout));
  }
}

CodecTransformer::Layer CodecTransformer::LoadLayer(WeightReader& weights,
                                                    const std::string& module,
                                                    model::ProductMode mode,
                                                    StateLayout& layout) const {
  const int64_t dim = config_.dim;
  const int64_t inner = config_.n_head * config_.head_dim;
  const int64_t intermediate = config_.intermediate_size;
  const auto scale = [&](const std::string& name) {
    return weights.Plain(module + name, {dim}).unsqueeze(1);
  };
  const at::Tensor wo = weights.Plain(module + ".attention.wo.weight", {dim, inner});
  const at::Tensor w2 = weights.Plain(module + ".feed_forward.w2.weight", {dim, intermediate});
  return Layer{weights.Plain(module + ".attention_norm.weight", {dim}),
               model::Linear(weights.Plain(module + ".attention.wqkv.weight", {3 * inner, dim}),
                             std::nullopt, mode),
               WindowAttention(config_.n_head, config_.head_dim, config_.window_size, layout),
               model::Linear(wo * scale(".attention_layer_scale.gamma"), std::nullopt, mode),
               weights.Plain(module + ".ffn_norm.weight", {dim}),
               model::FeedForward(
                   weights.Plain(module + ".feed_forward.w1.weight", {intermediate, dim}),
                   w2 * scale(".ffn_layer_scale.gamma"),
                   weights.Plain(module + ".feed_forward.w3.weight", {intermediate, dim}), mode)};
}

at::Tensor CodecTransformer::Rotations(const Streams& streams,
                                       const std::vector<int64_t>& positions, int64_t time) const {
  at::Tensor result = streams.Empty({streams.size() * time, config_.head_dim / 2, 2}, at::kFloat);
  float* row = result.mutable_data_ptr<float>();
  for (const int64_t start : positions) {
    for (int64_t t = 0; t < time; ++t, row += config_.head_dim) rope_.Fill(start + t, row);
  }
  return result;
}

void CodecTransformer::RunFloat(const Streams& streams, const std::vector<int64_t>& positions,
                                const at::Tensor& rope, at::Tensor& h) const {
  const int64_t rows = h.size(0);
  const int64_t dim = config_.dim;
  const int64_t inner = config_.n_head * config_.head_dim;
  at::Tensor qkv = streams.Empty({rows, 3 * inner}, at::kFloat);
  at::Tensor attended = streams.Empty({rows, inner}, at::kFloat);
  at::Tensor normed = streams.Empty({rows, dim}, at::kFloat);
  at::Tensor wide = streams.Empty({rows, 2 * config_.intermediate_size}, at::kFloat);
  auto* x = h.mutable_data_ptr<float>();
  auto* y = normed.mutable_data_ptr<float>();
  const auto norm = [&](const at::Tensor& weight, float* to) {
    for (int64_t row = 0; row < rows; ++row) {
      model::RmsNormRow(x + row * dim, weight.const_data_ptr<float>(), dim, config_.norm_eps,
                        to + row * dim);
    }
  };
  for (const Layer& layer : layers_) {
    norm(layer.attention_norm, y);
    layer.wqkv.Multiply(y, rows, nullptr, qkv.mutable_data_ptr<float>());
    layer.attention(streams, positions, rope, qkv, attended);
    layer.wo.Multiply(attended.const_data_ptr<float>(), rows, x, x);
    norm(layer.ffn_norm, y);
    layer.feed_forward.AddTo(y, rows, wide.mutable_data_ptr<float>(), x);
  }
  norm(norm_, x);
}

void CodecTransformer::RunDouble(const Streams& streams, const std::vector<int64_t>& positions,
                                 const at::Tensor& rope, at::Tensor& h) const {
  at::Tensor attended = at::empty({h.size(0), config_.n_head * config_.head_dim}, at::kDouble);
  for (const Layer& layer : layers_) {
    at::Tensor qkv = layer.wqkv(model::RmsNorm(h, layer.attention_norm, config_.norm_eps));
    layer.attention(streams, positions, rope, qkv, attended);
    h = layer.wo.AddTo(h, attended);
    h = layer.feed_forward.AddTo(h, model::RmsNorm(h, layer.ffn_norm, config_.norm_eps));
  }
  h = model::RmsNorm(h, norm_, config_.norm_eps);
}

at::Tensor CodecTransformer::operator()(const Streams& streams, const at::Tensor& x) const {
  const int64_t time = x.size(1);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < streams.size(); ++i) positions.push_back(streams.Counter(i, position_));
  const at::Tensor rope = Rotations(streams, positions, time);

  const at::Tensor rows = x.reshape({-1, x.size(2)});
  at::Tensor h;
  if (input_proj_) {
    h = (*input_proj_)(rows);
  } else {
    h = streams.Empty(rows.sizes(), rows.scalar_type());
    h.copy_(rows);
  }
  if (h.scalar_type() == at::kFloat) {
    RunFloat(streams, positions, rope, h);
  } else {
    RunDouble(streams, positions, rope, h);
  }
  if (output_proj_) h = (*output_proj_)(h);
  for (int64_t i = 0; i < streams.size(); ++i) {
    streams.SetCounter(i, position_, positions[i] + time);
  }
  return h.view(x.sizes());
}

}  // namespace shoal::codec
