// DecodeLoop: turns frames of many streams into samples, each frame exactly once. A step is
// choose -> decode -> emit: the ChunkSchedule names streams and how many frames of each; those of
// equal numbers are decoded as one batch and heard at once, the smallest first.
//
// Used by the model thread alone; owns the streams and their slots. Every stream that was opened is
// in the loop until Close, or until OnFailed has said that it ended. Bounded by the decoder's
// slots and by what a DecodeStream may hold.
#ifndef SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_
#define SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/vocoder/chunk_schedule.h"
#include "services/vocoder/decode_stream.h"
#include "services/vocoder/frame_decoder.h"
#include "services/vocoder/frame_queue.h"
#include "services/vocoder/slot_pool.h"

namespace shoal::vocoder {

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
    ChunkSchedule::Options schedule = {};
    size_t max_queued_frames = 4096;                 // of one stream, waiting
    uint64_t max_stream_frames = uint64_t{1} << 22;  // of one stream, ever: 46 h at 25 a second
    size_t rollback_frames = 256;                    // that a resumed stream may go back
    int replay_frames_per_step = 64;                 // so that a replay holds nobody up for long
    Clock::duration gap_limit = std::chrono::seconds(1);  // for a missing frame to arrive
    std::function<Clock::time_point()> clock = Clock::now;
  };

  // Streams of a step that were decoded together, of each the same number of frames.
  struct Batch {
    int streams = 0;
    int frames = 0;
  };
  // What a step did.
  struct StepReport {
    std::vector<Batch> batches;  // empty: there was nothing to decode
    int replayed = 0;            // frames
    int64_t clamped = 0;
    Clock::duration decode{}, emit{};
  };

  // Both outlive this.
  DecodeLoop(const Options& options, FrameDecoder* decoder, DecodeSink* sink);

  // Takes a slot. RESOURCE_EXHAUSTED when there is none, ALREADY_EXISTS when the stream is there.
  // REQUIRES: what DecodeStream requires of `start`.
  absl::Status Open(const StreamKey& stream, const StreamOwner& owner,
                    const StreamStart& start = {});
  // Null when it is not there.
  const StreamOwner* Find(const StreamKey& stream) const;

  // All of these REQUIRE Find(stream).
  //
  // Frames; what is wrong with them fails the stream. Returns how many were dropped as repeats.
  // REQUIRES: codes of the decoder's num_codebooks.
  int Push(const StreamKey& stream, FrameQueue::Arrival arrival);
  // Frames of an attempt above the stream's, which wait for its Resume. False when there is no
  // room.
  bool PushAhead(const StreamKey& stream, uint32_t attempt, FrameQueue::Arrival arrival);
  // False when older than what is known.
  bool Hear(const StreamKey& stream, const ListenerNews& news);
  // The stream goes on with frame `cut` of `turn` in a new attempt. True when it was past it, so
  // that its state is made again by replay. Fails the stream when it cannot. REQUIRES: attempt is
  // above the stream's.
  bool Resume(const StreamKey& stream, uint32_t turn, uint32_t attempt, uint32_t cut);

  // Frees everything of the stream; the sink hears nothing.
  void Close(const StreamKey& stream);
  // Closes every stream that `which` is true for, and says which those were.
  std::vector<StreamKey> CloseAll(absl::FunctionRef<bool(const StreamOwner&)> which);
  // The same, and the sink hears OnFailed.
  void FailAll(absl::FunctionRef<bool(const StreamOwner&)> which, const absl::Status& why);

  // `receive` is called when samples are there and not sent yet, and may call all of the above:
  // what was closed or resumed by it is not heard.
  StepReport Step(absl::FunctionRef<void()> receive);
  StepReport Step() {
    return Step([] {});
  }

  // In how long a step will have something to do, if nothing comes: 0 = now, nothing = never.
  std::optional<Clock::duration> TimeUntilWork() const;
  int open_streams() const { return static_cast<int>(streams_.size()); }
  int free_slots() const { return slots_.free(); }
  // Streams whose front takes no more for now.
  int streams_at_credit() const;

 private:
  struct Entry {
    DecodeStream stream;
    uint64_t epoch;  // another one whenever a run that is being decoded must not be heard
  };
  using Place = std::map<StreamKey, Entry>::iterator;
  struct Planned {
    StreamKey key;
    uint64_t epoch;
    int frames;
  };
  // Taken out of its stream's queue, on its way to the front.
  struct Taken {
    StreamKey key;
    uint64_t epoch;
    FrameQueue::Run run;
    uint64_t position;  // of its first frame
  };

  Place FindSame(const StreamKey& key, uint64_t epoch);
  void FailBroken(Clock::time_point now);
  void EmitBareEnds();
  std::vector<Planned> Plan(Clock::time_point now) const;
  void DecodeBatch(absl::Span<const Planned> batch, absl::FunctionRef<void()> receive,
                   StepReport& report);
  void Emit(Taken taken, DecodedFrames decoded);
  void ReplayPiece(StepReport& report);
  void Fail(Place place, const absl::Status& why);

  const Options options_;
  FrameDecoder* const decoder_;
  DecodeSink* const sink_;
  const ChunkSchedule::Seconds frame_;
  const ChunkSchedule schedule_;
  SlotPool slots_;  // outlives the streams
  std::map<StreamKey, Entry> streams_;
  uint64_t epochs_ = 0;
  uint64_t chunks_ = 0;  // sent so far
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_DECODE_LOOP_H_
