#include "tests/common/codec/reference_codec.h"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/tensor_values.h"

namespace shoal::testing {
namespace {

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return x / (x.square().mean(-1, true) + eps).sqrt() * weight;
}

at::Tensor Unit(const at::Tensor& x) {
  return x / x.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

// x: (time, heads, head_dim). The angles in float32, their cos and sin rounded to bf16.
at::Tensor Rotate(const at::Tensor& x, double base, int64_t first) {
  const int64_t pairs = x.size(2) / 2;
  const at::Tensor result = at::empty_like(x);
  const auto from = x.accessor<double, 3>();
  auto to = result.accessor<double, 3>();
  for (int64_t t = 0; t < x.size(0); ++t) {
    for (int64_t i = 0; i < pairs; ++i) {
      const float exponent = static_cast<float>(2 * i) / static_cast<float>(2 * pairs);
      const float frequency = 1.0f / std::pow(static_cast<float>(base), exponent);
      const float angle = static_cast<float>(first + t) * frequency;
      const double cos = static_cast<float>(c10::BFloat16(std::cos(angle)));
      const double sin = static_cast<float>(c10::BFloat16(std::sin(angle)));
      for (int64_t head = 0; head < x.size(1); ++head) {
        const double a = from[t][head][2 * i];
        const double b = from[t][head][2 * i + 1];
        to[t][head][2 * i] = a * cos - b * sin;
        to[t][head][2 * i + 1] = b * cos + a * sin;
      }
    }
  }
  return result;
}

}  // namespace

at::Tensor ReferenceCodec::Weight(const std::string& name) const {
  const absl::StatusOr<checkpoint::TensorView> view = weights_.Find(name);
  if (!view.ok()) throw std::runtime_error(view.status().ToString());
  if (view->dtype == checkpoint::DType::kF64) {
    return at::from_blob(const_cast<std::byte*>(view->bytes.data()), view->shape, at::kDouble)
        .clone();
  }
  std::vector<float> values = checkpoint::ToFloats(*view);
  return at::from_blob(values.data(), view->shape, at::kFloat).to(at::kDouble);
}

at::Tensor ReferenceCodec::ConvWeight(const std::string& module) const {
  if (weights_.Has(module + ".weight")) return Weight(module + ".weight");
  const bool old = weights_.Has(module + ".weight_g");
  const std::string parameter = module + ".parametrizations.weight.original";
  const at::Tensor g = Weight(old ? module + ".weight_g" : parameter + "0");
  const at::Tensor v = Weight(old ? module + ".weight_v" : parameter + "1");
  return g * v / v.square().sum({1, 2}, true).sqrt();
}

at::Tensor ReferenceCodec::Conv(const std::string& module, const at::Tensor& x, int64_t dilation,
                                int64_t stride) const {
  const at::Tensor weight = ConvWeight(module + ".conv");
  const int64_t reach = (weight.size(2) - 1) * dilation + 1;
  const int64_t groups = x.size(0) / weight.size(1);
  const at::Tensor padded = at::constant_pad_nd(x, {std::max<int64_t>(0, reach - stride), 0});
  return at::conv1d(padded.unsqueeze(0), weight, Weight(module + ".conv.bias"), stride,
                    std::vector<int64_t>{0}, dilation, groups)
      .squeeze(0);
}

at::Tensor ReferenceCodec::TransposedConv(const std::string& module, const at::Tensor& x,
                                          int64_t stride) const {
  return at::conv_transpose1d(x.unsqueeze(0), ConvWeight(module + ".conv"),
                              Weight(module + ".conv.bias"), stride)
      .squeeze(0)
      .narrow(1, 0, x.size(1) * stride);
}

at::Tensor ReferenceCodec::Snake(const std::string& module, const at::Tensor& x) const {
  const at::Tensor alpha = Weight(module + ".alpha").squeeze(0);
  return x + (alpha * x).sin().square() / (alpha + 1e-9);
}

at::Tensor ReferenceCodec::ConvNext(const std::string& module, const at::Tensor& x) const {
  const at::Tensor normed =
      at::layer_norm(Conv(module + ".dwconv", x).t(), {x.size(0)}, Weight(module + ".norm.weight"),
                     Weight(module + ".norm.bias"), 1e-6);
  const at::Tensor wide = at::gelu(
      at::linear(normed, Weight(module + ".pwconv1.weight"), Weight(module + ".pwconv1.bias")));
  const at::Tensor narrow =
      at::linear(wide, Weight(module + ".pwconv2.weight"), Weight(module + ".pwconv2.bias"));
  return x + (Weight(module + ".gamma") * narrow).t();
}

at::Tensor ReferenceCodec::Transformer(const std::string& module, const at::Tensor& x,
                                       const checkpoint::CodecTransformerConfig& config,
                                       int64_t first) const {
  const int64_t time = x.size(1);
  const bool projected = x.size(0) != config.dim;
  at::Tensor h = x.t();
  if (projected) {
    h = at::linear(h, Weight(module + ".input_proj.weight"), Weight(module + ".input_proj.bias"));
  }
  const at::Tensor query = at::arange(time).unsqueeze(1);
  const at::Tensor key = at::arange(time).unsqueeze(0);
  const at::Tensor hidden =
      key.gt(query).logical_or(key.le(query - config.window_size));  // (time, time)
  for (int64_t i = 0; i < config.n_layer; ++i) {
    const std::string layer = absl::StrCat(module, ".layers.", i);
    const at::Tensor normed = RmsNorm(h, Weight(layer + ".attention_norm.weight"), config.norm_eps);
    const std::vector<at::Tensor> qkv =
        at::linear(normed, Weight(layer + ".attention.wqkv.weight")).chunk(3, 1);
    const auto heads = [&](const at::Tensor& rows) {
      return rows.reshape({time, config.n_head, config.head_dim});
    };
    const at::Tensor q = Rotate(heads(qkv[0]), config.rope_base, first).transpose(0, 1);
    const at::Tensor k = Rotate(heads(qkv[1]), config.rope_base, first).transpose(0, 1);
    const at::Tensor v = heads(qkv[2]).transpose(0, 1);
    const at::Tensor scores = at::matmul(q, k.transpose(1, 2)) / std::sqrt(double(config.head_dim));
    const at::Tensor attended =
        at::matmul(scores.masked_fill(hidden, -INFINITY).softmax(-1), v).transpose(0, 1);
    h = h + Weight(layer + ".attention_layer_scale.gamma") *
                at::linear(attended.reshape({time, -1}), Weight(layer + ".attention.wo.weight"));
    const at::Tensor n = RmsNorm(h, Weight(layer + ".ffn_norm.weight"), config.norm_eps);
    const std::string ffn = layer + ".feed_forward.";
    const at::Tensor gated = at::silu(at::linear(n, Weight(ffn + "w1.weight"))) *
                             at::linear(n, Weight(ffn + "w3.weight"));
    h = h + Weight(layer + ".ffn_layer_scale.gamma") * at::linear(gated, Weight(ffn + "w2.weight"));
  }
  h = RmsNorm(h, Weight(module + ".norm.weight"), config.norm_eps);
  if (projected) {
    h = at::linear(h, Weight(module + ".output_proj.weight"), Weight(module + ".output_proj.bias"));
  }
  return h.t();
}

at::Tensor ReferenceCodec::ResidualUnits(const std::string& block, int first, at::Tensor x) const {
  for (const int64_t dilation : {1, 3, 9}) {
    const std::string unit = absl::StrCat(block, ".block.", first++, ".block.");
    const at::Tensor inner = Conv(unit + "1", Snake(unit + "0", x), dilation);
    x = x + Conv(unit + "3", Snake(unit + "2", inner));
  }
  return x;
}

std::string ReferenceCodec::Quantizer(int64_t codebook) const {
  return codebook == 0 ? "quantizer.semantic_quantizer.quantizers.0"
                       : absl::StrCat("quantizer.quantizer.quantizers.", codebook - 1);
}

at::Tensor ReferenceCodec::Project(const std::string& module, const at::Tensor& x) const {
  return at::conv1d(x.unsqueeze(0), ConvWeight(module), Weight(module + ".bias")).squeeze(0);
}

at::Tensor ReferenceCodec::Decode(const at::Tensor& codes) const {
  at::Tensor h;
  for (int64_t codebook = 0; codebook < config_.num_codebooks(); ++codebook) {
    const std::string module = Quantizer(codebook);
    const at::Tensor entries = Weight(module + ".codebook.weight");
    const at::Tensor index = codes.select(1, codebook).clamp(0, entries.size(0) - 1);
    const at::Tensor part = Project(module + ".out_proj", entries.index_select(0, index).t());
    h = h.defined() ? h + part : part;
  }
  h = Transformer("quantizer.post_module", h, config_.quantizer_transformer);
  const std::vector<int64_t>& factors = config_.quantizer.downsample_factor;
  for (size_t i = 0; i < factors.size(); ++i) {
    const std::string stage = absl::StrCat("quantizer.upsample.", i);
    h = TransposedConv(stage + ".0", h, factors[factors.size() - 1 - i]);
    h = ConvNext(stage + ".1", h);
  }
  h = Conv("decoder.model.0", h);
  const size_t blocks = config_.decoder_rates.size();
  for (size_t i = 0; i < blocks; ++i) {
    const std::string block = absl::StrCat("decoder.model.", i + 1);
    h = TransposedConv(block + ".block.1", Snake(block + ".block.0", h), config_.decoder_rates[i]);
    h = ResidualUnits(block, 2, h);
  }
  h = Snake(absl::StrCat("decoder.model.", blocks + 1), h);
  return Conv(absl::StrCat("decoder.model.", blocks + 2), h).tanh().squeeze(0);
}

at::Tensor ReferenceCodec::Latents(const at::Tensor& samples) const {
  const int64_t over = samples.size(0) % config_.frame_length;
  const int64_t missing = over == 0 ? 0 : config_.frame_length - over;
  at::Tensor h = at::constant_pad_nd(samples.to(at::kDouble).unsqueeze(0), {0, missing});
  h = Conv("encoder.block.0", h);
  const size_t blocks = config_.encoder_rates.size();
  for (size_t i = 0; i < blocks; ++i) {
    const std::string block = absl::StrCat("encoder.block.", i + 1);
    h = Snake(block + ".block.3", ResidualUnits(block, 0, h));
    h = Conv(block + ".block.4", h, 1, config_.encoder_rates[i]);
    if (config_.encoder_transformer &&
        config_.encoder_transformer->block == static_cast<int64_t>(i) + 1) {
      h = Transformer(block + ".block.5", h, config_.encoder_transformer->transformer);
    }
  }
  h = Snake(absl::StrCat("encoder.block.", blocks + 1), h);
  h = Conv(absl::StrCat("encoder.block.", blocks + 2), h);
  const std::vector<int64_t>& factors = config_.quantizer.downsample_factor;
  for (size_t i = 0; i < factors.size(); ++i) {
    const std::string stage = absl::StrCat("quantizer.downsample.", i);
    h = ConvNext(stage + ".1", Conv(stage + ".0", h, 1, factors[i]));
  }
  return Transformer("quantizer.pre_module", h, config_.quantizer_transformer);
}

at::Tensor ReferenceCodec::Quantize(const at::Tensor& z) const {
  std::vector<at::Tensor> codes;
  at::Tensor rest = z;
  for (int64_t codebook = 0; codebook < config_.num_codebooks(); ++codebook) {
    const std::string module = Quantizer(codebook);
    const at::Tensor entries = Weight(module + ".codebook.weight");
    const at::Tensor latents = Unit(Project(module + ".in_proj", rest).t());
    codes.push_back(at::matmul(latents, Unit(entries).t()).argmax(1));
    rest = rest - Project(module + ".out_proj", entries.index_select(0, codes.back()).t());
  }
  return at::stack(codes);
}

}  // namespace shoal::testing
