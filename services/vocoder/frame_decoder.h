// FrameDecoder: what the decode loop needs of a codec: codes in, samples out, one carried state per
// slot. Implemented by DacFrameDecoder with the real codec, and by tests without one.
//
// Used by the thread that runs the decode loop, alone.
#ifndef SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_
#define SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::vocoder {

// What one slot's part of a step came to.
struct DecodedFrames {
  std::vector<float> pcm;  // (frames * frame_length), in [-1, 1]
  bool finite = true;      // false: pcm is not to be used and the slot needs a Seek
  int64_t clamped = 0;     // codes outside their codebook, decoded as the nearest inside
};

class FrameDecoder {
 public:
  virtual ~FrameDecoder() = default;

  virtual int num_slots() const = 0;
  virtual int num_codebooks() const = 0;
  virtual int frame_length() const = 0;  // samples
  virtual int sample_rate() const = 0;   // Hz

  // How many frames before the next one decide what that and later ones sound like.
  virtual int replay_frames() const = 0;

  // Makes a slot a stream whose next frame is number `position`, counted over all turns, and that
  // remembers none before it. At 0 it is a fresh stream; elsewhere the replay_frames() frames (or
  // as many as there are) before the next one heard are to be replayed.
  virtual void Seek(int slot, uint64_t position) = 0;

  // Takes a slot over frames that nobody will hear. codes: (frames, num_codebooks); `to_follow`
  // more frames are replayed after them.
  virtual absl::Status Replay(int slot, absl::Span<const int32_t> codes, int to_follow) = 0;

  // Decodes the next `frames` >= 1 frames of every named slot, no slot twice; the others are
  // neither read nor written. codes: (slots, frames, num_codebooks). One result a slot, in their
  // order. An error is the step's: none of its slots can go on.
  virtual absl::StatusOr<std::vector<DecodedFrames>> Decode(absl::Span<const int> slots, int frames,
                                                            absl::Span<const int32_t> codes) = 0;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_FRAME_DECODER_H_
