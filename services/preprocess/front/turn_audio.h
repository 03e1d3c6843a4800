// Puts one turn's audio in order: chunks are named by their first frame, may come twice or out of
// order, and leave in order exactly once. Owned by one stream, on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_TURN_AUDIO_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_TURN_AUDIO_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"

namespace shoal::preprocess {

class TurnAudio {
 public:
  struct Chunk {
    uint32_t frame = 0;  // of its first
    uint32_t frames = 0;
    std::vector<float> pcm;      // (frames * frame_length)
    std::vector<int32_t> codes;  // (frames, num_codebooks)
    bool last = false;
  };

  explicit TurnAudio(size_t max_held) : max_held_(max_held) {}

  // Appends to `ready` what can be put out now. DATA_LOSS when more is held back than allowed, or
  // chunks contradict each other.
  absl::Status Add(Chunk chunk, std::vector<Chunk>* ready);

  uint32_t next_frame() const { return next_frame_; }  // all before it are out
  bool has_gap() const { return !held_.empty(); }
  // All is out, up to the chunk that was marked as the last.
  bool complete() const { return end_ && next_frame_ == *end_; }
  uint64_t repeats() const { return repeats_; }

 private:
  const size_t max_held_;
  uint32_t next_frame_ = 0;
  std::optional<uint32_t> end_;
  std::map<uint32_t, Chunk> held_;  // by first frame, all past next_frame_
  uint64_t repeats_ = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_TURN_AUDIO_H_
