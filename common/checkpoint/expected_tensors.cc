#include "common/checkpoint/expected_tensors.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::checkpoint {
namespace {

using Role = TensorRole;
using Shape = std::vector<int64_t>;

class TensorList {
 public:
  void Add(std::string name, Shape shape, Role role) {
    tensors_.push_back({std::move(name), std::move(shape), role});
  }

  // `name`.weight (out, in) and, where there is one, `name`.bias (out).
  void Linear(const std::string& name, int64_t out, int64_t in, bool bias) {
    Add(name + ".weight", {out, in}, Role::kProjection);
    if (bias) Add(name + ".bias", {out}, Role::kBias);
  }

  // A convolution with weight norm; `shape` is (axis 0, axis 1, kernel).
  void NormedConv(const std::string& name, const Shape& shape, int64_t out) {
    const std::string weight = name + ".conv.parametrizations.weight.original";
    Add(weight + "0", {shape[0], 1, 1}, Role::kNormGain);
    Add(weight + "1", shape, Role::kNormDirection);
    Add(name + ".conv.bias", {out}, Role::kBias);
  }

  void PlainConv(const std::string& name, const Shape& shape, int64_t out) {
    Add(name + ".conv.weight", shape, Role::kProjection);
    Add(name + ".conv.bias", {out}, Role::kBias);
  }

  void Alpha(const std::string& name, int64_t channels) {
    Add(name + ".alpha", {1, channels, 1}, Role::kAlpha);
  }

  // Snake, conv k7, Snake, conv k1.
  void ResidualUnit(const std::string& name, int64_t channels) {
    Alpha(name + ".block.0", channels);
    NormedConv(name + ".block.1", {channels, channels, 7}, channels);
    Alpha(name + ".block.2", channels);
    NormedConv(name + ".block.3", {channels, channels, 1}, channels);
  }

  void FeedForward(const std::string& layer, int64_t dim, int64_t intermediate) {
    Linear(layer + ".feed_forward.w1", intermediate, dim, false);
    Linear(layer + ".feed_forward.w3", intermediate, dim, false);
    Linear(layer + ".feed_forward.w2", dim, intermediate, false);
  }

  std::vector<ExpectedTensor> Take() { return std::move(tensors_); }

 private:
  std::vector<ExpectedTensor> tensors_;
};

void AddLayers(const std::string& prefix, const TransformerConfig& config, TensorList& list) {
  const int64_t q_rows = config.n_head * config.head_dim;
  const int64_t kv_rows = config.n_local_heads * config.head_dim;
  for (int64_t i = 0; i < config.n_layer; ++i) {
    const std::string layer = absl::StrCat(prefix, ".layers.", i);
    const std::string attention = layer + ".attention";
    list.Linear(attention + ".wqkv", q_rows + 2 * kv_rows, config.dim, config.attention_qkv_bias);
    list.Linear(attention + ".wo", config.dim, q_rows, config.attention_o_bias);
    if (config.attention_qk_norm) {
      list.Add(attention + ".q_norm.weight", {config.head_dim}, Role::kNorm);
      list.Add(attention + ".k_norm.weight", {config.head_dim}, Role::kNorm);
    }
    list.Add(layer + ".attention_norm.weight", {config.dim}, Role::kNorm);
    list.Add(layer + ".ffn_norm.weight", {config.dim}, Role::kNorm);
    list.FeedForward(layer, config.dim, config.intermediate_size);
  }
}

// `width` is the width of what surrounds the transformer: when it is not the transformer's own,
// linears lead in and out.
void AddCodecTransformer(const std::string& name, const CodecTransformerConfig& config,
                         int64_t width, TensorList& list) {
  const int64_t rows = config.n_head * config.head_dim;
  if (width != config.dim) list.Linear(name + ".input_proj", config.dim, width, true);
  for (int64_t i = 0; i < config.n_layer; ++i) {
    const std::string layer = absl::StrCat(name, ".layers.", i);
    list.Linear(layer + ".attention.wqkv", 3 * rows, config.dim, false);
    list.Linear(layer + ".attention.wo", config.dim, rows, false);
    list.FeedForward(layer, config.dim, config.intermediate_size);
    list.Add(layer + ".attention_norm.weight", {config.dim}, Role::kNorm);
    list.Add(layer + ".ffn_norm.weight", {config.dim}, Role::kNorm);
    list.Add(layer + ".attention_layer_scale.gamma", {config.dim}, Role::kLayerScale);
    list.Add(layer + ".ffn_layer_scale.gamma", {config.dim}, Role::kLayerScale);
  }
  list.Add(name + ".norm.weight", {config.dim}, Role::kNorm);
  if (width != config.dim) list.Linear(name + ".output_proj", width, config.dim, true);
}

void AddEncoder(const CodecConfig& config, TensorList& list) {
  list.NormedConv("encoder.block.0", {config.encoder_dim, 1, 7}, config.encoder_dim);
  const int64_t blocks = static_cast<int64_t>(config.encoder_rates.size());
  for (int64_t i = 1; i <= blocks; ++i) {
    const std::string block = absl::StrCat("encoder.block.", i, ".block.");
    const int64_t in = config.encoder_channels(i - 1);
    const int64_t out = config.encoder_channels(i);
    for (int unit = 0; unit < 3; ++unit) list.ResidualUnit(absl::StrCat(block, unit), in);
    list.Alpha(block + "3", in);
    list.NormedConv(block + "4", {out, in, 2 * config.encoder_rates[i - 1]}, out);
    if (config.encoder_transformer && config.encoder_transformer->block == i) {
      AddCodecTransformer(block + "5", config.encoder_transformer->transformer, out, list);
    }
  }
  const int64_t last = config.encoder_channels(blocks);
  list.Alpha(absl::StrCat("encoder.block.", blocks + 1), last);
  list.NormedConv(absl::StrCat("encoder.block.", blocks + 2), {config.latent_dim, last, 3},
                  config.latent_dim);
}

void AddConvNext(const std::string& name, int64_t channels, TensorList& list) {
  list.PlainConv(name + ".dwconv", {channels, 1, 7}, channels);
  list.Add(name + ".norm.weight", {channels}, Role::kNorm);
  list.Add(name + ".norm.bias", {channels}, Role::kBias);
  list.Linear(name + ".pwconv1", 4 * channels, channels, true);
  list.Linear(name + ".pwconv2", channels, 4 * channels, true);
  list.Add(name + ".gamma", {channels}, Role::kLayerScale);
}

// One codebook and the 1x1 projections into and out of its space.
void AddVectorQuantizer(const std::string& name, int64_t entries, const QuantizerConfig& config,
                        TensorList& list) {
  const auto projection = [&](const std::string& which, int64_t out, int64_t in) {
    list.Add(name + which + ".weight_g", {out, 1, 1}, Role::kNormGain);
    list.Add(name + which + ".weight_v", {out, in, 1}, Role::kNormDirection);
    list.Add(name + which + ".bias", {out}, Role::kBias);
  };
  projection(".in_proj", config.codebook_dim, config.input_dim);
  projection(".out_proj", config.input_dim, config.codebook_dim);
  list.Add(name + ".codebook.weight", {entries, config.codebook_dim}, Role::kCodebook);
}

void AddQuantizer(const CodecConfig& config, TensorList& list) {
  const QuantizerConfig& quantizer = config.quantizer;
  const int64_t dim = quantizer.input_dim;
  const int64_t factors = static_cast<int64_t>(quantizer.downsample_factor.size());
  for (int64_t i = 0; i < factors; ++i) {
    const std::string stage = absl::StrCat("quantizer.downsample.", i);
    list.PlainConv(stage + ".0", {dim, dim, quantizer.downsample_factor[i]}, dim);
    AddConvNext(stage + ".1", dim, list);
  }
  AddVectorQuantizer("quantizer.semantic_quantizer.quantizers.0", quantizer.semantic_codebook_size,
                     quantizer, list);
  for (int64_t i = 0; i < quantizer.n_residual_codebooks; ++i) {
    AddVectorQuantizer(absl::StrCat("quantizer.quantizer.quantizers.", i),
                       quantizer.residual_codebook_size, quantizer, list);
  }
  AddCodecTransformer("quantizer.pre_module", config.quantizer_transformer, dim, list);
  AddCodecTransformer("quantizer.post_module", config.quantizer_transformer, dim, list);
  for (int64_t i = 0; i < factors; ++i) {
    const std::string stage = absl::StrCat("quantizer.upsample.", i);
    list.PlainConv(stage + ".0", {dim, dim, quantizer.downsample_factor[factors - 1 - i]}, dim);
    AddConvNext(stage + ".1", dim, list);
  }
}

void AddDecoder(const CodecConfig& config, TensorList& list) {
  list.NormedConv("decoder.model.0", {config.decoder_dim, config.latent_dim, 7},
                  config.decoder_dim);
  int64_t in = config.decoder_dim;
  const int64_t blocks = static_cast<int64_t>(config.decoder_rates.size());
  for (int64_t i = 1; i <= blocks; ++i) {
    const std::string block = absl::StrCat("decoder.model.", i, ".block.");
    const int64_t out = in / 2;
    list.Alpha(block + "0", in);
    // Transposed: axis 0 is the input channel, and so is the axis of the weight norm.
    list.NormedConv(block + "1", {in, out, 2 * config.decoder_rates[i - 1]}, out);
    for (int unit = 2; unit < 5; ++unit) list.ResidualUnit(absl::StrCat(block, unit), out);
    in = out;
  }
  list.Alpha(absl::StrCat("decoder.model.", blocks + 1), in);
  list.NormedConv(absl::StrCat("decoder.model.", blocks + 2), {1, in, 7}, 1);
}

}  // namespace

std::vector<ExpectedTensor> TransformerTensors(const ModelConfig& config) {
  TensorList list;
  const int64_t entries = config.audio.vocab_size;
  list.Add("text_model.model.embeddings.weight", {config.text.vocab_size, config.text.dim},
           Role::kEmbedding);
  AddLayers("text_model.model", config.text, list);
  list.Add("text_model.model.norm.weight", {config.text.dim}, Role::kNorm);
  if (!config.text.tie_word_embeddings) {
    list.Add(kHeadName, {config.text.vocab_size, config.text.dim}, Role::kProjection);
  }
  list.Add("audio_decoder.codebook_embeddings.weight",
           {config.num_codebooks * entries, config.text_dim}, Role::kEmbedding);
  list.Add("audio_decoder.embeddings.weight", {entries, config.audio.dim}, Role::kEmbedding);
  if (config.text_dim != config.audio.dim) {
    list.Linear("audio_decoder.project_in", config.audio.dim, config.text_dim, true);
  }
  AddLayers("audio_decoder", config.audio, list);
  list.Add("audio_decoder.norm.weight", {config.audio.dim}, Role::kNorm);
  list.Linear("audio_decoder.output", entries, config.audio.dim, false);
  return list.Take();
}

std::vector<ExpectedTensor> CodecTensors(const CodecConfig& config) {
  TensorList list;
  AddEncoder(config, list);
  AddQuantizer(config, list);
  AddDecoder(config, list);
  return list.Take();
}

}  // namespace shoal::checkpoint
