// FrameDecoder: what the decode loop needs of a codec: codes in, samples out, one carried state per
// slot. Implemented by DacFrameDecoder with the real codec, and by tests without one.
//
// Used by the thread that runs the decode loop, alone.
#ifndef SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_
#define SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::vocoder {

// What one slot's part of a step came to.
struct DecodedFrames {
  std::vector<float> pcm;  // (frames * frame_length), in [-1, 1]
  bool finite = true;      // false: pcm is not to be used and the slot needs a Reset
  int64_t clamped = 0;     // codes outside their codebook, decoded as the nearest inside
};

class FrameDecoder {
 public:
  virtual ~FrameDecoder() = default;

  virtual int num_slots() const = 0;
  virtual int num_codebooks() const = 0;
  virtual int frame_length() const = 0;  // samples
  virtual int sample_rate() const = 0;   // Hz

  // Makes a slot a fresh stream.
  virtual void Reset(int slot) = 0;

  // Decodes the next `frames` >= 1 frames of every named slot, no slot twice; the others are
  // neither read nor written. codes: (slots, frames, num_codebooks). One result a slot, in their
  // order. An error is the step's: none of its slots can go on.
  virtual absl::StatusOr<std::vector<DecodedFrames>> Decode(absl::Span<const int> slots, int frames,
                                                            absl::Span<const int32_t> codes) = 0;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_
