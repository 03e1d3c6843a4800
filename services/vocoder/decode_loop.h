// DecodeLoop: turns frames of many streams into samples, each frame exactly once. A step is
// choose -> decode -> emit: it takes the same number of frames, 1, 2, 4 or 8, from every stream
// that has as many, in one batch. A stream's first step is one frame, since the first sound must
// not wait for the second frame; later ones take what lies there, which is more the further the
// stream is ahead of its listener.
//
// Used by the model thread alone; owns the streams and their slots. Every stream that was opened is
// in the loop until Close, or until OnFailed has said that it ended.
#ifndef SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_
#define SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/vocoder/frame_decoder.h"
#include "services/vocoder/frame_queue.h"
#include "services/vocoder/slot_pool.h"

namespace shoal::vocoder {

// A session of a front. The 128 random bits are its identity.
struct StreamKey {
  uint64_t high = 0, low = 0;
  auto operator<=>(const StreamKey&) const = default;
};

// Who a stream's audio is for.
struct StreamOwner {
  uint64_t front = 0;  // incarnation
  uint32_t attempt = 0;
};

// Samples of frames [run.first, run.first + run.frames.size()) of a turn, and the codes they were
// made of.
struct DecodedRun {
  FrameQueue::Run run;
  std::vector<float> pcm;     // (frames * frame_length)
  uint64_t first_sample = 0;  // in the stream, over all turns
};

// Told of everything that happens to streams, in order. Must not call the loop back.
class DecodeSink {
 public:
  virtual ~DecodeSink() = default;
  // An error ends the stream with OnFailed: nobody takes its audio.
  virtual absl::Status OnAudio(const StreamKey& stream, const StreamOwner& owner,
                               const DecodedRun& decoded) = 0;
  virtual void OnFailed(const StreamKey& stream, const StreamOwner& owner,
                        const absl::Status& why) = 0;
};

class DecodeLoop {
 public:
  using Clock = FrameQueue::Clock;

  struct Options {
    int max_batch = 32;                                   // streams a step
    int max_frames_per_step = 8;                          // of one stream; 1, 2, 4 or 8
    size_t max_queued_frames = 4096;                      // of one stream
    Clock::duration gap_limit = std::chrono::seconds(1);  // for a missing frame to arrive
  };

  // What a step did. streams == 0: there was nothing to decode.
  struct StepReport {
    int streams = 0;
    int frames = 0;  // of all streams together
    int64_t clamped = 0;
    Clock::duration decode{}, emit{};
  };

  // Both outlive this.
  DecodeLoop(const Options& options, FrameDecoder* decoder, DecodeSink* sink);

  // Takes a fresh slot. RESOURCE_EXHAUSTED when there is none, ALREADY_EXISTS when the stream is
  // there.
  absl::Status Open(const StreamKey& stream, const StreamOwner& owner);
  // Null when it is not there.
  const StreamOwner* Find(const StreamKey& stream) const;

  // Frames of an open stream; what is wrong with them fails the stream. Returns how many were
  // dropped as repeats. REQUIRES: Find(stream), codes of the decoder's num_codebooks.
  int Push(const StreamKey& stream, FrameQueue::Arrival arrival, Clock::time_point now);

  // Frees everything of the stream; the sink hears nothing.
  void Close(const StreamKey& stream);
  // Closes every stream that `which` is true for, and says which those were.
  std::vector<StreamKey> CloseAll(absl::FunctionRef<bool(const StreamOwner&)> which);
  // The same, and the sink hears OnFailed.
  void FailAll(absl::FunctionRef<bool(const StreamOwner&)> which, const absl::Status& why);

  StepReport Step(Clock::time_point now);

  // Nothing can be decoded until more frames come.
  bool idle() const;
  // Some stream waits for a missing frame, so Step has to look at the clock.
  bool has_gaps() const;
  int open_streams() const { return static_cast<int>(streams_.size()); }
  int free_slots() const { return slots_.free(); }

 private:
  struct Stream {
    StreamOwner owner;
    SlotPool::Slot slot;
    FrameQueue frames;
    uint64_t samples = 0;  // decoded so far
  };
  using Place = std::map<StreamKey, Stream>::iterator;

  bool Ready(const Stream& stream) const {
    return stream.frames.ready() > 0 || stream.frames.at_end();
  }
  int WantedFrames(const Stream& stream) const;
  void FailGaps(Clock::time_point now);
  void EmitBareEnds();
  std::vector<Place> Choose(int* frames);
  void Emit(Place place, FrameQueue::Run run, DecodedFrames decoded);
  void Fail(Place place, const absl::Status& why);

  const Options options_;
  FrameDecoder* const decoder_;
  DecodeSink* const sink_;
  SlotPool slots_;  // outlives the streams
  std::map<StreamKey, Stream> streams_;
  StreamKey last_served_;  // the next batch begins behind it, so that everybody gets a turn
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_
