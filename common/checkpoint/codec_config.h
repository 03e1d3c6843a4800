// Sizes of the audio codec, from codec.json of a checkpoint directory.
//
// Plain values: copy them freely. LoadCodecConfig range-checks every one and that they agree with
// each other (hop_length is the product of encoder_rates and of decoder_rates, frame_length that
// times the product of the quantizer's downsample_factor, channels halve evenly in the decoder).
#ifndef SHOAL_COMMON_CHECKPOINT_CODEC_CONFIG_H_
#define SHOAL_COMMON_CHECKPOINT_CODEC_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::checkpoint {

// A window-limited transformer. A window of w lets a position see itself and the w - 1 before it.
struct CodecTransformerConfig {
  int64_t dim = 0;
  int64_t n_layer = 0;
  int64_t n_head = 0;
  int64_t head_dim = 0;  // even
  int64_t intermediate_size = 0;
  int64_t window_size = 0;
  double rope_base = 0;
  double norm_eps = 0;
};

// The transformer at the end of encoder block `block` (1-based: `encoder.block.{block}`).
struct EncoderTransformer {
  int64_t block = 0;
  CodecTransformerConfig transformer;
};

struct QuantizerConfig {
  int64_t input_dim = 0;  // always latent_dim
  std::vector<int64_t> downsample_factor;
  int64_t codebook_dim = 0;
  int64_t semantic_codebook_size = 0;
  int64_t residual_codebook_size = 0;
  int64_t n_residual_codebooks = 0;
};

struct CodecConfig {
  int64_t sample_rate = 0;  // Hz
  int64_t encoder_dim = 0;  // channels of the first encoder convolution; they double per rate
  std::vector<int64_t> encoder_rates;
  int64_t latent_dim = 0;
  int64_t decoder_dim = 0;  // channels of the first decoder convolution; they halve per rate
  std::vector<int64_t> decoder_rates;
  int64_t hop_length = 0;    // samples a latent
  int64_t frame_length = 0;  // samples a frame of codes
  std::optional<EncoderTransformer> encoder_transformer;
  QuantizerConfig quantizer;
  CodecTransformerConfig quantizer_transformer;  // pre_module and post_module

  // The semantic codebook and the residual ones.
  int64_t num_codebooks() const { return 1 + quantizer.n_residual_codebooks; }
  // Channels that the encoder's block `block` (1-based) puts out.
  int64_t encoder_channels(int64_t block) const { return encoder_dim << block; }
};

// NOT_FOUND, naming `shoal-checkpoint convert-codec`, when the directory has no codec.json.
absl::StatusOr<CodecConfig> LoadCodecConfig(const std::string& directory);
// The same from the text of a codec.json; `path` is for messages.
absl::StatusOr<CodecConfig> ParseCodecConfig(absl::string_view text, const std::string& path);
// What ParseCodecConfig checks; the error names the field.
absl::Status CheckCodecConfig(const CodecConfig& config, const std::string& path);
// Writes codec.json. What it writes, LoadCodecConfig reads as it was.
absl::Status WriteCodecConfig(const std::string& directory, const CodecConfig& config);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_CODEC_CONFIG_H_
