#include "tools/inspect.h"

#include <cstdint>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/generation_config.h"

namespace shoal::tools {
namespace {

using checkpoint::CodecConfig;
using checkpoint::CodecTransformerConfig;
using checkpoint::ModelConfig;
using checkpoint::TensorStore;
using checkpoint::TransformerConfig;

std::string Describe(const char* name, const TransformerConfig& config) {
  return absl::StrFormat(
      "%s: %d layers, width %d, %d heads and %d key/value heads of %d, feed-forward %d, "
      "vocabulary %d, %d positions, RoPE base %g, eps %g%s%s%s%s\n",
      name, config.n_layer, config.dim, config.n_head, config.n_local_heads, config.head_dim,
      config.intermediate_size, config.vocab_size, config.max_seq_len, config.rope_base,
      config.norm_eps, config.attention_qk_norm ? ", qk norm" : "",
      config.attention_qkv_bias ? ", qkv bias" : "", config.attention_o_bias ? ", o bias" : "",
      config.tie_word_embeddings ? ", tied head" : "");
}

std::string Describe(const ModelConfig& config) {
  return Describe("slow transformer", config.text) + Describe("fast transformer", config.audio) +
         absl::StrFormat("tokens: semantic %d to %d (%d), eos %d, pad %d, audio pad %d\n",
                         config.semantic_start, config.semantic_end, config.n_semantic(),
                         config.eos_token_id, config.pad_token_id, config.audio_pad_token_id) +
         absl::StrFormat("codebooks: %d\n", config.num_codebooks);
}

std::string Describe(const CodecTransformerConfig& config) {
  return absl::StrFormat("%d layers, width %d, %d heads of %d, feed-forward %d, window %d",
                         config.n_layer, config.dim, config.n_head, config.head_dim,
                         config.intermediate_size, config.window_size);
}

std::string Describe(const CodecConfig& config) {
  std::string text = absl::StrFormat(
      "codec: %d Hz, %d samples a frame (%.4g frames/s), %d codebooks (semantic of %d entries, "
      "%d residual of %d)\n",
      config.sample_rate, config.frame_length,
      static_cast<double>(config.sample_rate) / static_cast<double>(config.frame_length),
      config.num_codebooks(), config.quantizer.semantic_codebook_size,
      config.quantizer.n_residual_codebooks, config.quantizer.residual_codebook_size);
  absl::StrAppend(&text, "codec encoder: ", config.encoder_dim, " channels, rates ",
                  absl::StrJoin(config.encoder_rates, ","), ", latent ", config.latent_dim, "\n");
  if (config.encoder_transformer) {
    absl::StrAppend(&text, "codec encoder transformer: after block ",
                    config.encoder_transformer->block, ": ",
                    Describe(config.encoder_transformer->transformer), "\n");
  }
  absl::StrAppend(&text, "codec quantizer: downsampling ",
                  absl::StrJoin(config.quantizer.downsample_factor, ","), ", entries of ",
                  config.quantizer.codebook_dim,
                  "; transformers: ", Describe(config.quantizer_transformer), "\n");
  absl::StrAppend(&text, "codec decoder: ", config.decoder_dim, " channels, rates ",
                  absl::StrJoin(config.decoder_rates, ","), "\n");
  return text;
}

// One line for a store, and one a tensor where asked for.
std::string Describe(const char* name, const TensorStore& store, bool tensors) {
  int64_t parameters = 0;
  int64_t bytes = 0;
  std::map<std::string, int64_t> dtypes;
  std::string list;
  for (const std::string& tensor : store.names()) {
    const auto view = store.Find(tensor);
    if (!view.ok()) continue;  // names() names only what Find finds
    const std::string dtype(checkpoint::DTypeName(view->dtype));
    parameters += static_cast<int64_t>(view->bytes.size() / checkpoint::ByteSize(view->dtype));
    bytes += static_cast<int64_t>(view->bytes.size());
    ++dtypes[dtype];
    if (tensors) {
      absl::StrAppend(&list, "  ", tensor, " ", dtype, " ", checkpoint::ShapeString(view->shape),
                      "\n");
    }
  }
  return absl::StrCat(name, ": ", store.names().size(), " tensors (",
                      absl::StrJoin(dtypes, ", ",
                                    [](std::string* out, const auto& entry) {
                                      absl::StrAppend(out, entry.second, " ", entry.first);
                                    }),
                      "), ", parameters, " values, ", bytes, " bytes in ",
                      absl::StrJoin(store.files(), ", "), "\n", list);
}

std::string DescribeFingerprint(const std::string& directory,
                                const checkpoint::FingerprintFile& file) {
  std::string text;
  for (const auto& [part, entry] : file) {
    absl::StrAppend(&text, "fingerprint of ", part, ": ", checkpoint::HexString(entry.sha256),
                    checkpoint::SizesMatch(directory, entry) ? "" : " (outdated)", "\n");
  }
  return text;
}

// Adds what describes a part to *text, "missing" when it is not there. False on any other error.
template <typename Part, typename Describer>
bool Add(const absl::StatusOr<Part>& part, const char* name, Describer describe,
         std::string* text) {
  if (part.ok()) {
    text->append(describe(*part));
  } else if (absl::IsNotFound(part.status())) {
    absl::StrAppend(text, name, ": missing\n");
  } else {
    return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> InspectCheckpoint(const std::string& directory, bool tensors) {
  const auto model = checkpoint::LoadModelConfig(directory);
  const auto codec = checkpoint::LoadCodecConfig(directory);
  const auto generation = checkpoint::LoadGenerationConfig(directory);
  const auto weights = TensorStore::Open(directory, "model");
  const auto codec_weights = TensorStore::Open(directory, "codec");
  const auto fingerprint = checkpoint::ReadFingerprintFile(directory);
  if (absl::IsNotFound(model.status()) && absl::IsNotFound(codec.status()) &&
      absl::IsNotFound(weights.status()) && absl::IsNotFound(codec_weights.status())) {
    return absl::NotFoundError(absl::StrCat(
        directory, ": expected a checkpoint directory with config.json or codec.json"));
  }
  std::string text;
  const auto describe = [](const auto& config) { return Describe(config); };
  if (!Add(model, "config.json", describe, &text)) return model.status();
  if (!Add(codec, "codec.json", describe, &text)) return codec.status();
  if (!generation.ok()) return generation.status();
  const std::string sampling = ToString(*generation);
  absl::StrAppend(&text, "default sampling of its own: ", sampling.empty() ? "none" : sampling,
                  "\n");
  const auto list = [&](const char* name) {
    return [=](const TensorStore& store) { return Describe(name, store, tensors); };
  };
  if (!Add(weights, "model.safetensors", list("transformer weights"), &text)) {
    return weights.status();
  }
  if (!Add(codec_weights, "codec.safetensors", list("codec weights"), &text)) {
    return codec_weights.status();
  }
  const auto hashes = [&](const checkpoint::FingerprintFile& file) {
    return DescribeFingerprint(directory, file);
  };
  if (!Add(fingerprint, "fingerprint.json", hashes, &text)) return fingerprint.status();
  return text;
}

}  // namespace shoal::tools
