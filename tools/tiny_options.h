// Sizes of a made-up checkpoint: what `shoal-checkpoint make-tiny` may be asked for, and the
// configurations that follow.
#ifndef SHOAL_TOOLS_TINY_OPTIONS_H_
#define SHOAL_TOOLS_TINY_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/model_config.h"

namespace shoal::tools {

// The layout is S2 Pro's, the sizes are small enough to run far faster than real time on one core.
struct TinyOptions {
  uint64_t seed = 0;
  int64_t shards = 2;

  // The slow transformer.
  int64_t layers = 2;
  int64_t dim = 64;
  int64_t heads = 4;
  int64_t kv_heads = 2;
  int64_t head_dim = 32;
  int64_t ffn = 160;
  int64_t max_seq_len = 4096;
  int64_t vocab_size = 0;  // 0: what the tokenizer needs, rounded up to 64 and padded by 64
  bool untied = false;
  bool qk_norm = true;
  bool attention_bias = false;

  // The fast one.
  int64_t codebooks = 10;
  int64_t semantic_entries = 256;
  int64_t fast_entries = 0;  // 0: semantic_entries
  int64_t fast_layers = 1;
  int64_t fast_dim = 0;  // 0: dim, or with project_in 3/4 of it
  int64_t fast_heads = 4;
  int64_t fast_kv_heads = 2;
  int64_t fast_head_dim = 16;
  int64_t fast_ffn = 128;
  bool fast_qk_norm = false;
  bool project_in = false;

  // The codec.
  int64_t sample_rate = 44100;
  int64_t residual_entries = 64;
  std::vector<std::string> rates = {"2", "4", "8", "8"};  // of the encoder; the decoder's reversed
  std::vector<std::string> downsample = {"2", "2"};
  int64_t encoder_dim = 4;
  int64_t latent_dim = 32;
  int64_t decoder_dim = 64;
  int64_t codebook_dim = 8;
  int64_t codec_layers = 2;
  int64_t codec_dim = 0;  // of the quantizer's transformers; 0: latent_dim
  int64_t codec_head_dim = 16;
  int64_t codec_window = 16;
  bool encoder_transformer = true;
};

// Configurations for the options, with the ids of TinyTokenizerJson. Whoever writes them reads them
// back, which checks them like those of any checkpoint.
absl::StatusOr<checkpoint::ModelConfig> TinyModelConfig(const TinyOptions& options);
absl::StatusOr<checkpoint::CodecConfig> TinyCodecConfig(const TinyOptions& options);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_TINY_OPTIONS_H_
