// ChunkSchedule: who is decoded next, and how many frames at once.
//
// A chunk is 1, 2, 4 or 8 frames. Larger ones cost less a frame, but the listener waits for their
// last sample before it hears the first. So a chunk may last no longer than what the listener still
// has, less a reserve: as decoding is faster than real time, nobody runs dry while a chunk is made
// or its frames are gathered. A stream with a well-filled buffer waits until its large chunk is
// there; as the buffer drains the chunk that it waits for becomes smaller, down to a single frame,
// which never waits. A stream nobody has heard yet takes one frame; one that is written to a file
// takes the largest chunks.
//
// Pure functions of what they are told; no clock, no state. Any thread.
#ifndef SHOAL_SERVICES_VOCODER_CHUNK_SCHEDULE_H_
#define SHOAL_SERVICES_VOCODER_CHUNK_SCHEDULE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace shoal::vocoder {

class ChunkSchedule {
 public:
  using Seconds = std::chrono::duration<double>;

  struct Options {
    int max_batch = 32;            // streams a step
    int max_frames_per_chunk = 8;  // of one stream
    // Of all streams of a step: whoever comes while it runs waits for no more than these.
    int max_frames_per_step = 64;
    // For the way from here to the listener's ear, and for steps that others are in.
    Seconds reserve{0.1};
  };

  // What is to be known of a stream.
  struct Candidate {
    int ready = 0;            // frames that may be decoded now
    bool more = true;         // waiting may bring more of them
    int most = 0;             // frames a chunk, as the stream's front wants it; 0 = any
    bool whole_file = false;  // nobody listens while it is made
    bool begun = false;       // the listener has had some of it
    Seconds buffered{0};      // by the listener, not heard yet
    uint64_t served = 0;      // grows with every chunk of anybody: who had the last one long ago?
  };

  struct Chunk {
    size_t candidate = 0;  // index
    int frames = 0;
  };

  // frame: how long one lasts, > 0.
  ChunkSchedule(const Options& options, Seconds frame) : options_(options), frame_(frame) {}

  // The next step: chunks of as many candidates as fit, those with the emptiest buffers first,
  // files behind listeners except for one place. In order of size, so that the small ones, which
  // are urgent, can leave before the large ones are decoded.
  std::vector<Chunk> Choose(absl::Span<const Candidate> candidates) const;

  // How many frames of this stream to decode now; 0 = wait.
  int Frames(const Candidate& candidate) const;

  // In how long Frames will be more than 0 without another frame coming: 0 = now, nothing = never.
  std::optional<Seconds> TimeUntilDue(const Candidate& candidate) const;

 private:
  int Largest(const Candidate& candidate) const;
  Seconds Needed(int frames) const { return frames * frame_ + options_.reserve; }

  Options options_;
  Seconds frame_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_CHUNK_SCHEDULE_H_
