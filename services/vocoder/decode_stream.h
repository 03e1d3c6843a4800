// DecodeStream: one open stream of the vocoder: the frames that wait, how far it has been decoded,
// what its listener has, and the codes from which its decoder state can be made again.
//
// A position counts frames over all turns. Everything before position() has been taken out to be
// decoded; everything before state_position() is in the slot's state. The two differ only while a
// state that is gone is being rebuilt by replay.
//
// Owned by the DecodeLoop; one thread. Bounded: max_queued_frames waiting, as many messages and
// frames of a later attempt, and the codes of the
// last replay_frames + rollback_frames ones, num_codebooks int32 each.
#ifndef SHOAL_SERVICES_VOCODER_DECODE_STREAM_H_
#define SHOAL_SERVICES_VOCODER_DECODE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/vocoder/chunk_schedule.h"
#include "services/vocoder/code_memory.h"
#include "services/vocoder/frame_queue.h"
#include "services/vocoder/listener_buffer.h"
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

// How a stream begins.
struct StreamStart {
  bool whole_file = false;       // nobody listens while it is made
  int max_frames_per_chunk = 0;  // 0 = as the schedule sees fit

  // Where it goes on, when another decoder, or this one, has had the first part. The defaults are a
  // stream from its beginning.
  uint32_t turn = 0;
  uint32_t frame = 0;               // of that turn, the first to be heard from here
  uint64_t position = 0;            // of that frame
  std::vector<int32_t> codes = {};  // (n, num_codebooks) of the n frames before it
};

// What a front says of its listener. See AudioCredit in pipeline.proto.
struct ListenerNews {
  uint32_t turn = 0;
  uint32_t frames = 0;  // of the turn that the front will take
  ListenerBuffer::Seconds buffered{0};
  uint32_t next_frame = 0;  // frames of the turn before it are part of that
};

class DecodeStream {
 public:
  using Clock = FrameQueue::Clock;
  using Seconds = ListenerBuffer::Seconds;

  struct Limits {
    int num_codebooks = 0;
    int replay_frames = 0;       // of the decoder
    size_t queued_frames = 0;    // that may wait
    size_t rollback_frames = 0;  // that a resumed stream may go back
    Seconds frame{0};            // how long one lasts
  };
  // A piece of a replay.
  struct Piece {
    std::vector<int32_t> codes;  // (n, num_codebooks)
    int to_follow = 0;           // frames of the replay after these
  };

  // REQUIRES: start.codes are min(position, replay_frames) frames or more, but no more than
  // position.
  DecodeStream(const Limits& limits, const StreamOwner& owner, SlotPool::Slot slot,
               const StreamStart& start);

  const StreamOwner& owner() const { return owner_; }
  int slot() const { return slot_.index(); }
  const FrameQueue& frames() const { return frames_; }

  // See FrameQueue::Add.
  absl::StatusOr<int> Add(FrameQueue::Arrival arrival, Clock::time_point now) {
    return frames_.Add(std::move(arrival), now);
  }
  // The same for frames of an attempt that has not begun here: an engine may be quicker than its
  // front's Resume. They wait for it; false when there is no room for them.
  bool AddAhead(uint32_t attempt, FrameQueue::Arrival arrival);
  // False when older news than what is known; then nothing changes.
  bool Hear(const ListenerNews& news, Clock::time_point now);
  // A new attempt at `turn` brings its frames from `cut` on; those before it that were not sent yet
  // stay. True when some of what comes next had been taken out already: the state is then to be
  // rebuilt, from state_position() on. FAILED_PRECONDITION when that is impossible.
  absl::StatusOr<bool> Resume(uint32_t turn, uint32_t attempt, uint32_t cut, Clock::time_point now);

  // Frames that may be decoded now: those that are there, up to the front's credit.
  int ready() const;
  // The listener will take no more of what waits.
  bool at_credit() const { return frames_.ready() > 0 && allowed() == 0; }
  ChunkSchedule::Candidate Candidate(Clock::time_point now) const;

  // Takes n frames out to be decoded, and the turn's end if it follows; see FrameQueue::Take.
  // REQUIRES: !rebuilding() unless n == 0.
  FrameQueue::Run Take(int n);
  // A run has gone to the front in the chunk number `served` of the loop.
  void Sent(const FrameQueue::Run& run, uint64_t served, Clock::time_point now);

  uint64_t position() const { return memory_.end(); }
  uint64_t state_position() const { return state_position_; }
  bool rebuilding() const { return state_position_ < position(); }
  // The next piece of at most `frames` of the replay; the state is past it from then on.
  // REQUIRES: rebuilding().
  Piece TakeReplay(int frames);

 private:
  int allowed() const;
  // What came ahead for the attempt that has just begun goes to the queue; what was for attempts in
  // between is dropped.
  absl::Status TakeAhead(Clock::time_point now);
  // Frames of `turn` that were sent.
  uint32_t SentOf(uint32_t turn) const { return turn == sent_turn_ ? sent_next_ : 0; }
  // Where the replay must begin for the state at `position`.
  uint64_t ReplayStart(uint64_t position) const;

  const Limits limits_;
  StreamOwner owner_;
  SlotPool::Slot slot_;
  const bool whole_file_;
  const int max_frames_per_chunk_;
  FrameQueue frames_;
  CodeMemory memory_;
  uint64_t state_position_;
  uint64_t turn_start_;  // position of the running turn's first frame
  ListenerBuffer listener_;
  std::optional<ListenerNews> news_;
  bool begun_ = false;      // some frames were sent from here
  uint32_t sent_turn_ = 0;  // frames of this turn before sent_next_ were sent
  uint32_t sent_next_ = 0;
  uint64_t served_ = 0;

  struct Ahead {
    uint32_t attempt;
    FrameQueue::Arrival arrival;
  };
  std::vector<Ahead> ahead_;  // of attempts above the owner's
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_DECODE_STREAM_H_
