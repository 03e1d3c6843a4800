#include "tools/tiny_options.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/tiny_tokenizer.h"

namespace shoal::tools {
namespace {

using checkpoint::CodecConfig;
using checkpoint::CodecTransformerConfig;
using checkpoint::ModelConfig;

// The bounds keep what is built on the numbers small, whatever else is asked for.
absl::StatusOr<std::vector<int64_t>> Factors(const char* flag,
                                             const std::vector<std::string>& texts) {
  std::vector<int64_t> factors;
  for (const std::string& text : texts) {
    int64_t factor = 0;
    if (!absl::SimpleAtoi(text, &factor) || factor < 1 || factor > 64) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, ": expected whole numbers from 1 to 64, not \"", text, "\""));
    }
    factors.push_back(factor);
  }
  if (factors.empty() || factors.size() > 8) {
    return absl::InvalidArgumentError(absl::StrCat("--", flag, ": expected 1 to 8 numbers"));
  }
  return factors;
}

absl::Status CheckCount(const char* flag, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": expected ", low, " to ", high, ", not ", value));
}

CodecTransformerConfig CodecTransformer(const TinyOptions& options, int64_t dim) {
  return {.dim = dim,
          .n_layer = options.codec_layers,
          .n_head = std::max<int64_t>(1, dim / options.codec_head_dim),
          .head_dim = options.codec_head_dim,
          .intermediate_size = 3 * dim,
          .window_size = options.codec_window,
          .rope_base = 10000,
          .norm_eps = 1e-5};
}

}  // namespace

absl::StatusOr<ModelConfig> TinyModelConfig(const TinyOptions& options) {
  constexpr int64_t kMost = 1 << 16;
  absl::Status status;
  status.Update(CheckCount("layers", options.layers, 1, 256));
  status.Update(CheckCount("dim", options.dim, 1, kMost));
  status.Update(CheckCount("heads", options.heads, 1, 256));
  status.Update(CheckCount("kv-heads", options.kv_heads, 1, 256));
  status.Update(CheckCount("head-dim", options.head_dim, 2, 1024));
  status.Update(CheckCount("ffn", options.ffn, 1, kMost));
  status.Update(CheckCount("max-seq-len", options.max_seq_len, 64, 1 << 20));
  status.Update(CheckCount("vocab-size", options.vocab_size, 0, 1 << 20));
  status.Update(CheckCount("codebooks", options.codebooks, 1, 64));
  status.Update(CheckCount("semantic-entries", options.semantic_entries, 2, kMost));
  status.Update(CheckCount("fast-entries", options.fast_entries, 0, kMost));
  status.Update(CheckCount("fast-layers", options.fast_layers, 1, 256));
  status.Update(CheckCount("fast-dim", options.fast_dim, 0, kMost));
  status.Update(CheckCount("fast-heads", options.fast_heads, 1, 256));
  status.Update(CheckCount("fast-kv-heads", options.fast_kv_heads, 1, 256));
  status.Update(CheckCount("fast-head-dim", options.fast_head_dim, 2, 1024));
  status.Update(CheckCount("fast-ffn", options.fast_ffn, 1, kMost));
  if (!status.ok()) return status;

  const TinyTokenIds ids = TinyTokens();
  ModelConfig config;
  config.num_codebooks = options.codebooks;
  config.text_dim = options.dim;
  config.semantic_start = ids.semantic_start;
  config.semantic_end = ids.semantic_start + options.semantic_entries - 1;
  config.eos_token_id = ids.eos;
  config.pad_token_id = ids.pad;
  config.audio_pad_token_id = ids.audio_pad;

  const int64_t padded = (config.semantic_end / 64 + 2) * 64;
  config.text = {.vocab_size = options.vocab_size > 0 ? options.vocab_size : padded,
                 .n_layer = options.layers,
                 .n_head = options.heads,
                 .n_local_heads = options.kv_heads,
                 .head_dim = options.head_dim,
                 .dim = options.dim,
                 .intermediate_size = options.ffn,
                 .max_seq_len = options.max_seq_len,
                 .rope_base = 1e6,
                 .norm_eps = 1e-6,
                 .attention_qk_norm = options.qk_norm,
                 .attention_qkv_bias = options.attention_bias,
                 .attention_o_bias = options.attention_bias,
                 .tie_word_embeddings = !options.untied};
  const int64_t own_width =
      options.project_in ? std::max<int64_t>(2, options.dim * 3 / 4) : options.dim;
  config.audio = {
      .vocab_size = options.fast_entries > 0 ? options.fast_entries : options.semantic_entries,
      .n_layer = options.fast_layers,
      .n_head = options.fast_heads,
      .n_local_heads = options.fast_kv_heads,
      .head_dim = options.fast_head_dim,
      .dim = options.fast_dim > 0 ? options.fast_dim : own_width,
      .intermediate_size = options.fast_ffn,
      .max_seq_len = options.codebooks + 1,
      .rope_base = 1e6,
      .norm_eps = 1e-6,
      .attention_qk_norm = options.fast_qk_norm,
      .attention_qkv_bias = options.attention_bias,
      .attention_o_bias = options.attention_bias,
      .tie_word_embeddings = false};
  if (options.project_in && config.audio.dim == config.text.dim) {
    return absl::InvalidArgumentError(
        "--project-in: expected --fast-dim to differ from --dim, as only then there is one");
  }
  return config;
}

absl::StatusOr<CodecConfig> TinyCodecConfig(const TinyOptions& options) {
  constexpr int64_t kMost = 1 << 12;
  absl::Status status;
  status.Update(CheckCount("sample-rate", options.sample_rate, 1000, 768000));
  status.Update(CheckCount("residual-entries", options.residual_entries, 2, 1 << 16));
  status.Update(CheckCount("encoder-dim", options.encoder_dim, 1, 256));
  status.Update(CheckCount("latent-dim", options.latent_dim, 1, kMost));
  status.Update(CheckCount("decoder-dim", options.decoder_dim, 1, kMost));
  status.Update(CheckCount("codebook-dim", options.codebook_dim, 1, 256));
  status.Update(CheckCount("codec-layers", options.codec_layers, 1, 64));
  status.Update(CheckCount("codec-dim", options.codec_dim, 0, kMost));
  status.Update(CheckCount("codec-head-dim", options.codec_head_dim, 2, 256));
  status.Update(CheckCount("codec-window", options.codec_window, 1, 1 << 16));
  if (!status.ok()) return status;
  absl::StatusOr<std::vector<int64_t>> rates = Factors("rates", options.rates);
  if (!rates.ok()) return rates.status();
  absl::StatusOr<std::vector<int64_t>> downsample = Factors("downsample", options.downsample);
  if (!downsample.ok()) return downsample.status();

  CodecConfig config;
  config.sample_rate = options.sample_rate;
  config.encoder_dim = options.encoder_dim;
  config.encoder_rates = *rates;
  config.latent_dim = options.latent_dim;
  config.decoder_dim = options.decoder_dim;
  config.decoder_rates.assign(rates->rbegin(), rates->rend());
  config.hop_length = 1;
  for (const int64_t rate : *rates) config.hop_length *= rate;
  config.frame_length = config.hop_length;
  for (const int64_t factor : *downsample) config.frame_length *= factor;
  if (options.encoder_transformer) {
    const int64_t block = static_cast<int64_t>(rates->size());
    config.encoder_transformer = {
        .block = block, .transformer = CodecTransformer(options, config.encoder_channels(block))};
  }
  config.quantizer = {.input_dim = options.latent_dim,
                      .downsample_factor = *downsample,
                      .codebook_dim = options.codebook_dim,
                      .semantic_codebook_size = options.semantic_entries,
                      .residual_codebook_size = options.residual_entries,
                      .n_residual_codebooks = options.codebooks - 1};
  config.quantizer_transformer =
      CodecTransformer(options, options.codec_dim > 0 ? options.codec_dim : options.latent_dim);
  return config;
}

}  // namespace shoal::tools
