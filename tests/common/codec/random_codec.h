// Codecs of random sizes and weights, written as checkpoints, and small stores of named weights.
#ifndef SHOAL_TESTS_COMMON_CODEC_RANDOM_CODEC_H_
#define SHOAL_TESTS_COMMON_CODEC_RANDOM_CODEC_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::testing {

// A new folder that goes away with its owner.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Uniform in [low, high].
int64_t Between(std::mt19937& random, int64_t low, int64_t high);

// Small sizes that agree with each other: one to three rates in both directions and as many
// downsampling factors, widths that are no multiples of a vector, transformers as wide as their
// surroundings or not, windows down to 1, with and without a transformer in the encoder.
checkpoint::CodecConfig RandomCodecConfig(std::mt19937& random);

// About the sizes of the default voice's codec.
checkpoint::CodecConfig DefaultSizedCodecConfig();

// The sizes of S2 Pro's codec: its random weights take a gigabyte.
checkpoint::CodecConfig S2ProCodecConfig();

// Writes codec.json and codec.safetensors (F32) with weights that keep signals between silence and
// saturation.
void WriteRandomCodec(const std::string& folder, const checkpoint::CodecConfig& config,
                      uint32_t seed);

// A checkpoint of such a codec.
checkpoint::Checkpoint RandomCodec(const checkpoint::CodecConfig& config, uint32_t seed);

// Named float64 tensors as a store to load modules from.
checkpoint::TensorStore StoreOf(const std::map<std::string, at::Tensor>& weights);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_COMMON_CODEC_RANDOM_CODEC_H_
