// The encode path of the codec: samples in, codes out.
//
// A const encoder may be called from any thread, one call at a time a thread pool. It runs the same
// causal stages as the decoder, over parts of the signal with carried state, so memory is bounded
// whatever the length, and no part knows where another ends.
#ifndef SHOAL_COMMON_CODEC_DAC_ENCODER_H_
#define SHOAL_COMMON_CODEC_DAC_ENCODER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"
#include "common/codec/codec_transformer.h"
#include "common/codec/conv_blocks.h"
#include "common/codec/residual_quantizer.h"
#include "common/codec/stage_tap.h"
#include "common/codec/streaming_conv.h"
#include "common/model/linear.h"

namespace shoal::codec {

class DacEncoder {
 public:
  struct Options {
    at::ScalarType dtype = at::kFloat;  // or kDouble, to test the logic
    model::ProductMode mode = model::ProductMode::kFast;
    StageTap tap = nullptr;  // none in production
  };

  // REQUIRES: the checkpoint was opened with its codec.
  static absl::StatusOr<std::unique_ptr<const DacEncoder>> Load(
      const checkpoint::Checkpoint& checkpoint, Options options);

  int64_t num_codebooks() const { return quantizer_.num_codebooks(); }
  int64_t frame_length() const { return frame_length_; }  // samples
  int64_t sample_rate() const { return sample_rate_; }    // Hz

  // samples: (n) of any floating type, n >= 1, finite, in [-1, 1] at sample_rate().
  // -> codes (num_codebooks, ceil(n / frame_length)) int64. The last frame is padded with zeros.
  absl::StatusOr<at::Tensor> Encode(const at::Tensor& samples) const;

  // The codebooks, for looks at single choices.
  const ResidualQuantizer& quantizer() const { return quantizer_; }

 private:
  struct Stage {
    EncoderBlock block;
    std::optional<CodecTransformer> transformer;
  };
  struct Downsampling {
    StreamingConv conv;
    ConvNext next;
  };

  DacEncoder(WeightReader& weights, const checkpoint::CodecConfig& config, Options options);

  // One part: (1, k * frame_length, 1) -> what the quantizer is given, (k, dim).
  at::Tensor Pass(const Streams& streams, const at::Tensor& samples) const;
  void Tap(absl::string_view stage, const at::Tensor& output) const;

  int64_t frame_length_;
  int64_t sample_rate_;
  Options options_;
  StateLayout layout_;
  StreamingConv first_;
  std::vector<Stage> stages_;
  Snake snake_;
  StreamingConv last_;
  std::vector<Downsampling> downsample_;
  CodecTransformer pre_module_;
  ResidualQuantizer quantizer_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_DAC_ENCODER_H_
