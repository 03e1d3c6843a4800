// The decode path of the codec: codes in, samples out, with carried state.
//
// Everything in it is causal, so a stream is decoded in steps of any sizes, each frame exactly
// once, and the samples are those of decoding at once: bit for bit in ProductMode::kDeterministic,
// to rounding in kFast. A const decoder serves any number of streams; what it knows of them is in
// slabs that the caller owns, one row a stream. Rows are plain numbers: copying one saves, restores
// or moves its stream, and a zero row is a stream that has not begun. One thread at a time may call
// for a given slab.
#ifndef SHOAL_COMMON_CODEC_DAC_DECODER_H_
#define SHOAL_COMMON_CODEC_DAC_DECODER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/checkpoint.h"
#include "common/codec/codec_transformer.h"
#include "common/codec/conv_blocks.h"
#include "common/codec/residual_quantizer.h"
#include "common/codec/stage_tap.h"
#include "common/codec/streaming_conv.h"
#include "common/model/linear.h"

namespace shoal::codec {

// What a step found out about each of its streams, in the order of the slots.
struct StepReport {
  std::vector<bool>
      finite;  // false: this stream's samples are not to be used, its slot needs a Reset
  std::vector<int64_t> clamped;  // codes outside their codebook, decoded as the nearest inside
};

class DacDecoder {
 public:
  struct Options {
    at::ScalarType dtype = at::kFloat;  // or kDouble, to test the logic
    model::ProductMode mode = model::ProductMode::kFast;
    StageTap tap = nullptr;  // none in production
  };

  // REQUIRES: the checkpoint was opened with its codec.
  static absl::StatusOr<std::unique_ptr<const DacDecoder>> Load(
      const checkpoint::Checkpoint& checkpoint, Options options);

  int64_t num_codebooks() const { return quantizer_.num_codebooks(); }
  int64_t frame_length() const { return frame_length_; }  // samples
  int64_t sample_rate() const { return sample_rate_; }    // Hz

  // Bytes of a row of a slab. With C channels into a module, in elements of the dtype:
  //   8 bytes                                      position of post_module
  //   n_layer * 2 * (window-1) * n_head*head_dim   its keys and values
  //   per factor f of downsample_factor:
  //     6 * C                                      depthwise convolution (the upsampling keeps
  //     none)
  //   6 * latent_dim                               first convolution
  //   per rate, C channels in:
  //     1 * C                                      transposed convolution, kernel 2 * stride
  //     (6 + 18 + 54) * C/2                        dilated convolutions of the residual units
  //   6 * C                                        last convolution
  int64_t state_bytes() const;

  // (slots, state elements) of fresh streams.
  at::Tensor NewSlab(int64_t slots) const;
  // Makes a slot a fresh stream. REQUIRES: 0 <= slot < slab.size(0).
  void Reset(at::Tensor& slab, int64_t slot) const;
  // The number of the slot's next frame in its stream, from 0. REQUIRES: as above.
  int64_t Position(at::Tensor& slab, int64_t slot) const;

  // How many frames before the next one decide what that and later ones sound like:
  // n_layer * (window-1) for post_module, and convolution_frames() of its outputs.
  int64_t replay_frames() const { return transformer_frames_ + convolution_frames_; }
  int64_t convolution_frames() const { return convolution_frames_; }

  // A stream whose state is gone is brought back by its codes: Seek to where the last
  // min(position, replay_frames()) frames before `position` begin, Replay those in as many calls as
  // is convenient, and Step goes on as if nothing had been, to the same bits where steps of other
  // sizes give them.
  //
  // Makes a slot a stream whose next frame is number `position` and that remembers none before it.
  // REQUIRES: 0 <= slot < slab.size(0), position >= 0.
  void Seek(at::Tensor& slab, int64_t slot, int64_t position) const;
  // Takes a slot over frames that nobody will hear. codes: (n, num_codebooks) int32 or int64;
  // `to_follow` more are replayed after them. Frames further than convolution_frames() from the
  // next one heard run through post_module alone.
  absl::Status Replay(at::Tensor& slab, int64_t slot, const at::Tensor& codes,
                      int64_t to_follow) const;

  // Decodes the next n >= 1 frames of every named slot. Slots not named are neither read nor
  // written, and on an error of the arguments none is.
  // codes: (b, n, num_codebooks) int32 or int64 for b slots -> (b, n * frame_length) of the dtype.
  // Several streams are shared among the intra-op threads.
  // Samples that are not finite concern their stream alone: report says whose they are. Without a
  // report they are an error (INTERNAL) that names the slots; the others have then moved on too.
  absl::StatusOr<at::Tensor> Step(at::Tensor& slab, absl::Span<const int64_t> slots,
                                  const at::Tensor& codes, StepReport* report = nullptr) const;

 private:
  // An upsampling convolution and what follows it.
  struct Upsampling {
    StreamingConv conv;
    ConvNext next;
  };

  DacDecoder(WeightReader& weights, const checkpoint::CodecConfig& config, Options options);

  absl::Status CheckStep(const at::Tensor& slab, absl::Span<const int64_t> slots,
                         const at::Tensor& codes) const;
  // Codes to what post_module makes of them: (b, n, num_codebooks) -> (b, n, dim).
  at::Tensor PostModule(const Streams& streams, const at::Tensor& codes, StepReport& report) const;
  // One pass over few frames: (b, n, num_codebooks) -> samples (b, n * frame_length, 1), whose
  // streams may lie apart.
  void Pass(const Streams& streams, const at::Tensor& codes, at::Tensor& samples,
            StepReport& report) const;
  // All frames of some streams of a step, in passes.
  void Decode(const Streams& streams, const at::Tensor& codes, at::Tensor& samples,
              StepReport& report) const;
  void Tap(absl::string_view stage, const at::Tensor& output) const;

  int64_t frame_length_;
  int64_t sample_rate_;
  int64_t transformer_frames_;
  int64_t convolution_frames_;
  Options options_;
  StateLayout layout_;
  BufferPool pool_;
  ResidualQuantizer quantizer_;
  CodecTransformer post_module_;
  std::vector<Upsampling> upsample_;
  StreamingConv first_;
  std::vector<DecoderBlock> blocks_;
  Snake snake_;
  StreamingConv last_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_DAC_DECODER_H_
