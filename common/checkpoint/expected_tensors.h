// The tensors that a checkpoint of given sizes holds: names and shapes, in the order of the model.
// What verifies, makes or lists checkpoints asks here, so the names stand in one place.
#ifndef SHOAL_COMMON_CHECKPOINT_EXPECTED_TENSORS_H_
#define SHOAL_COMMON_CHECKPOINT_EXPECTED_TENSORS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/model_config.h"

namespace shoal::checkpoint {

// What a tensor is for; a maker of random weights scales by it.
enum class TensorRole {
  kEmbedding,   // rows that are looked up
  kProjection,  // (out, in, ...): a linear or a convolution
  kBias,
  kNorm,           // gain of a normalisation
  kNormGain,       // g of a weight norm
  kNormDirection,  // v of a weight norm
  kLayerScale,     // gain of a residual branch
  kAlpha,          // slope of a Snake
  kCodebook,       // entries of a quantizer
};

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role;
};

// Both transformers. An untied head is `text_model.lm_head.weight`.
std::vector<ExpectedTensor> TransformerTensors(const ModelConfig& config);
// The other name under which an untied head may stand.
inline constexpr char kOtherHeadName[] = "text_model.output.weight";
inline constexpr char kHeadName[] = "text_model.lm_head.weight";

// Encoder, quantizer and decoder of the codec, weight norms unfolded.
std::vector<ExpectedTensor> CodecTensors(const CodecConfig& config);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_EXPECTED_TENSORS_H_
