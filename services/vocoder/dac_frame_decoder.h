// The checkpoint's codec behind the decode loop's FrameDecoder: a DacDecoder and the slab that
// holds the state of every slot, allocated once.
#ifndef SHOAL_SERVICES_VOCODER_DAC_FRAME_DECODER_H_
#define SHOAL_SERVICES_VOCODER_DAC_FRAME_DECODER_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/checkpoint.h"
#include "common/codec/dac_decoder.h"
#include "common/model/linear.h"
#include "services/vocoder/frame_decoder.h"

namespace shoal::vocoder {

class DacFrameDecoder final : public FrameDecoder {
 public:
  struct Options {
    int num_slots = 0;
    model::ProductMode mode = model::ProductMode::kFast;
  };

  // REQUIRES: the checkpoint was opened with its codec.
  static absl::StatusOr<std::unique_ptr<DacFrameDecoder>> Load(
      const checkpoint::Checkpoint& checkpoint, const Options& options);

  int num_slots() const override { return static_cast<int>(slab_.size(0)); }
  int num_codebooks() const override { return static_cast<int>(decoder_->num_codebooks()); }
  int frame_length() const override { return static_cast<int>(decoder_->frame_length()); }
  int sample_rate() const override { return static_cast<int>(decoder_->sample_rate()); }

  int replay_frames() const override { return static_cast<int>(decoder_->replay_frames()); }

  void Seek(int slot, uint64_t position) override {
    decoder_->Seek(slab_, slot, static_cast<int64_t>(position));
  }
  absl::Status Replay(int slot, absl::Span<const int32_t> codes, int to_follow) override;
  absl::StatusOr<std::vector<DecodedFrames>> Decode(absl::Span<const int> slots, int frames,
                                                    absl::Span<const int32_t> codes) override;

  // Bytes of one slot's state.
  int64_t state_bytes() const { return decoder_->state_bytes(); }

 private:
  DacFrameDecoder(std::unique_ptr<const codec::DacDecoder> decoder, int num_slots);

  std::unique_ptr<const codec::DacDecoder> decoder_;
  at::Tensor slab_;  // (slots, state elements) float32
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_DAC_FRAME_DECODER_H_
