// Sizes of the two transformers, from config.json of a checkpoint directory.
//
// Plain values: copy them freely. LoadModelConfig range-checks every one, so whoever holds a
// ModelConfig may multiply its sizes without overflow and divide by its counts.
#ifndef SHOAL_COMMON_CHECKPOINT_MODEL_CONFIG_H_
#define SHOAL_COMMON_CHECKPOINT_MODEL_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::checkpoint {

struct TransformerConfig {
  int64_t vocab_size = 0;  // rows of the embedding; for the audio decoder entries a codebook
  int64_t n_layer = 0;
  int64_t n_head = 0;
  int64_t n_local_heads = 0;  // key/value heads; divides n_head
  int64_t head_dim = 0;       // even; need not be dim / n_head
  int64_t dim = 0;
  int64_t intermediate_size = 0;
  int64_t max_seq_len = 0;
  double rope_base = 0;
  double norm_eps = 0;
  bool attention_qk_norm = false;
  bool attention_qkv_bias = false;
  bool attention_o_bias = false;
  bool tie_word_embeddings = false;
};

struct ModelConfig {
  TransformerConfig text;   // the slow transformer: one position a token or audio frame
  TransformerConfig audio;  // the fast one: one position a codebook
  int64_t num_codebooks = 0;
  int64_t text_dim = 0;  // what the audio decoder takes in; always text.dim
  int64_t semantic_start = 0;
  int64_t semantic_end = 0;  // inclusive
  int64_t eos_token_id = 0;
  int64_t pad_token_id = 0;
  int64_t audio_pad_token_id = 0;

  int64_t n_semantic() const { return semantic_end - semantic_start + 1; }
};

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& directory);
// The same from the text of a config.json; `path` is for messages.
absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text, const std::string& path);
// What ParseModelConfig checks; the error names the field.
absl::Status CheckModelConfig(const ModelConfig& config, const std::string& path);
// Writes config.json with every key given. What it writes, LoadModelConfig reads as it was.
absl::Status WriteModelConfig(const std::string& directory, const ModelConfig& config);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_MODEL_CONFIG_H_
