// The codec as a textbook would write it, for comparison: whole signals, channels first, float64,
// padding instead of state, masks instead of rings. Slow and without streaming.
#ifndef SHOAL_TESTS_COMMON_CODEC_REFERENCE_CODEC_H_
#define SHOAL_TESTS_COMMON_CODEC_REFERENCE_CODEC_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::testing {

class ReferenceCodec {
 public:
  // `weights` must outlive the codec.
  ReferenceCodec(const checkpoint::TensorStore& weights, const checkpoint::CodecConfig& config)
      : weights_(weights), config_(config) {}

  // codes: (frames, num_codebooks) int64 -> (frames * frame_length)
  at::Tensor Decode(const at::Tensor& codes) const;
  // samples: (n) -> what the quantizer is given, (dim, frames)
  at::Tensor Latents(const at::Tensor& samples) const;
  // z: (dim, frames) -> codes (num_codebooks, frames)
  at::Tensor Quantize(const at::Tensor& z) const;

  // The parts, by the module's name in the checkpoint. x: (channels, time).
  at::Tensor Conv(const std::string& module, const at::Tensor& x, int64_t dilation = 1,
                  int64_t stride = 1) const;
  at::Tensor TransposedConv(const std::string& module, const at::Tensor& x, int64_t stride) const;
  at::Tensor Snake(const std::string& module, const at::Tensor& x) const;
  at::Tensor ConvNext(const std::string& module, const at::Tensor& x) const;
  // first: the absolute position of x's first column.
  at::Tensor Transformer(const std::string& module, const at::Tensor& x,
                         const checkpoint::CodecTransformerConfig& config, int64_t first = 0) const;

 private:
  at::Tensor Weight(const std::string& name) const;
  at::Tensor ConvWeight(const std::string& module) const;
  at::Tensor ResidualUnits(const std::string& block, int first, at::Tensor x) const;
  std::string Quantizer(int64_t codebook) const;
  at::Tensor Project(const std::string& module, const at::Tensor& x) const;

  const checkpoint::TensorStore& weights_;
  checkpoint::CodecConfig config_;
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_COMMON_CODEC_REFERENCE_CODEC_H_
