// The encode path of the codec: samples in, codes out.
//
// A const encoder may be called from any thread, one call at a time a thread pool. It runs the same
// causal stages as the decoder, over blocks of the signal with carried state: beside the codes no
// memory grows with the length, codes are bit-equal whatever the block's size, and between two
// blocks the caller can look on or stop.
#ifndef SHOAL_COMMON_CODEC_DAC_ENCODER_H_
#define SHOAL_COMMON_CODEC_DAC_ENCODER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
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
    // Frames that go through the stages at once: rows enough for the products of the slow stages,
    // and 1.3 s (S2 Pro: 1.5 s) of audio between two looks at whether to go on.
    int64_t block_frames = 32;
  };
  // Called after every block with the frames encoded so far and in all; false ends the encoding.
  using Watch = absl::FunctionRef<bool(int64_t done, int64_t total)>;

  // REQUIRES: the checkpoint was opened with its codec.
  static absl::StatusOr<std::unique_ptr<const DacEncoder>> Load(
      const checkpoint::Checkpoint& checkpoint, Options options);

  int64_t num_codebooks() const { return quantizer_.num_codebooks(); }
  int64_t frame_length() const { return frame_length_; }  // samples
  int64_t sample_rate() const { return sample_rate_; }    // Hz

  // samples: (n) of any floating type, n >= 1, finite, in [-1, 1] at sample_rate().
  // -> codes (num_codebooks, ceil(n / frame_length)) int64. The last frame is padded with zeros.
  // CANCELLED when `watch` says so. Non-finite samples are found in the block that they are in.
  absl::StatusOr<at::Tensor> Encode(const at::Tensor& samples, Watch watch) const;
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

  // `frames` frames' samples from `begin` on, zeros behind the end -> their codes (codebooks,
  // frames).
  absl::StatusOr<at::Tensor> EncodeBlock(const Streams& streams, const at::Tensor& samples,
                                         int64_t begin, int64_t frames) const;
  // (1, k * frame_length, 1) -> what the quantizer is given, (k, dim).
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
