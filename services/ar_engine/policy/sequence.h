// Sequence: one turn of one stream while the engine generates it. It holds the positions known so
// far (the prompt, then one a frame), how far launched steps and the KV have come, and the blocks.
//
// Owned by the Scheduler, and by the Engine from its end until no launched step names it; used by
// the model thread alone. What always holds:
//   kv_length() <= launched() <= length() + draws that are in flight;
//   its blocks cover all launched positions;
//   blocks that in_flight() steps name are not given up.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_SEQUENCE_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_SEQUENCE_H_

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "services/ar_engine/policy/block_pool.h"
#include "services/ar_engine/policy/frame_model.h"
#include "services/ar_engine/policy/listener_buffer.h"
#include "services/ar_engine/policy/sampler.h"

namespace shoal::engine {

// A session of one client of one front.
struct StreamKey {
  uint64_t front = 0;  // incarnation
  uint64_t high = 0, low = 0;

  auto operator<=>(const StreamKey&) const = default;
};

enum class Priority {
  kPlayback,   // a listener waits: ranked by what the listener has left
  kWholeFile,  // nobody listens while it is made
};

// What a front asks for: one turn's codes.
struct Request {
  StreamKey stream;
  uint32_t turn = 0, attempt = 0;
  std::vector<int32_t> token_ids;  // (L)
  std::vector<int32_t> codes;      // (L, num_codebooks); all 0 where the token is not semantic
  // Positions from here on are frames that an earlier attempt at this turn has drawn. = L: none.
  int32_t prompt_length = 0;
  int32_t max_frames = 0;  // of the turn, earlier attempts included
  SamplingParams sampling;

  Priority priority = Priority::kPlayback;
  int32_t pinned_length = 0;    // positions of a voice that others use too; 0..prompt_length
  double frame_seconds = 0;     // of audio that a frame lasts
  double buffered_seconds = 0;  // of earlier turns' audio that the listener has unplayed
  int32_t credit_frames = 0;    // of the turn; the sequence pauses there. 0 = no limit
  int32_t runaway_frames = 0;   // of the turn; ends there as a runaway. 0 = off
  double wait_limit = 0;        // seconds to the first frame; refused when more. 0 = any
};

// What a front tells of a stream's listener while a turn runs.
struct ListenerNews {
  uint32_t turn = 0, attempt = 0;
  int32_t credit_frames = 0;    // of the turn, that the front will take; 0 = says nothing of it
  double buffered_seconds = 0;  // that the listener has unplayed
  uint32_t next_frame = 0;      // frames of the turn before this one are part of that
};

// KV blocks of so many positions.
inline int BlocksFor(int positions) {
  return (positions + FrameModel::kBlockPositions - 1) / FrameModel::kBlockPositions;
}

class Sequence {
 public:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;

  // `semantic_start` is the token id of semantic code 0. REQUIRES: the request was checked.
  Sequence(Request request, int num_codebooks, int32_t semantic_start, TimePoint now);

  const Request& request() const { return request_; }  // token_ids and codes grow with the frames
  const StreamKey& stream() const { return request_.stream; }
  uint32_t turn() const { return request_.turn; }
  uint32_t attempt() const { return request_.attempt; }
  int prompt_length() const { return request_.prompt_length; }
  // Of the prompt, that were known when it first started.
  int cached_positions() const { return std::max(cached_positions_, 0); }

  int length() const { return static_cast<int>(request_.token_ids.size()); }
  int max_length() const { return request_.prompt_length + request_.max_frames; }
  uint32_t frames() const { return static_cast<uint32_t>(history_.size()); }
  bool at_frame_limit() const { return static_cast<int>(frames()) >= frame_limit_; }
  bool ran_away() const { return at_frame_limit() && frame_limit_ < request_.max_frames; }

  // Positions in collected steps, and in launched ones.
  int kv_length() const { return kv_length_; }
  int launched() const { return launched_; }
  int in_flight() const { return in_flight_; }  // launched steps that name it, not collected
  // Positions that the next step may run; 0 when the draws in flight may be its last ones, or
  // those that its credit allows.
  int remaining() const;
  // Its draws, those in flight included, have reached its credit.
  bool paused() const;
  // Of the listener, see ListenerBuffer::Left.
  double buffered_seconds(TimePoint now) const { return buffer_.Left(now); }
  // A credit never falls, and older news of the buffer changes nothing.
  void Update(const ListenerNews& news, TimePoint now);

  bool has_blocks() const { return !blocks_.empty(); }
  absl::Span<const BlockRef> blocks() const { return blocks_; }
  // Begins, or begins again, with blocks whose positions are in the KV already. REQUIRES: it has
  // none.
  void Start(std::vector<BlockRef> cached);
  void AddBlocks(std::vector<BlockRef> blocks);
  // All that it has computed has to be computed again. REQUIRES: in_flight() == 0.
  void DropBlocks();
  bool kv_usable() const {
    return kv_usable_;
  }  // the first kv_length() positions are as they should
  // Of the frames, some were drawn since Start().
  bool has_drawn_since_start() const { return frames() > frames_at_start_; }

  // The next `positions` positions; they draw if they reach the end. Valid until the sequence
  // changes. REQUIRES: its blocks cover them, 1 <= positions <= remaining().
  SequenceChunk Chunk(int positions) const;
  // They are row `row` of the step that is launched now.
  void OnLaunched(int positions, int row);
  // The oldest step that names it, with so many of its positions, is collected; `usable`: their KV
  // is as it should be.
  void OnCollected(int positions, bool usable);
  // A frame was drawn: its codes are the next position. (num_codebooks)
  void Append(absl::Span<const int32_t> codes, TimePoint now);

  // For Event.Finished.
  TimePoint submitted, started, first_frame;
  bool has_started = false;
  bool has_ended = false;  // the sink knows

  // Of the Scheduler and KvMemory.
  uint64_t arrival = 0;  // in order of submission
  TimePoint admitted;
  bool is_eldest_whole_file = false;  // of those admitted that are not paused
  bool is_remembered = false;         // the cache has the prompt, since Start()
  bool gives_up_blocks = false;       // once they are no longer named by a launched step
  int missing_blocks = 0;             // when it was last tried to start,
  uint64_t tried_at = 0;              // with so many KvMemory::returns()
  uint64_t step = 0;                  // the last that it was scheduled in

 private:
  Request request_;  // token_ids and codes grow by a position a frame
  const int num_codebooks_;
  const int32_t semantic_start_;
  ListenerBuffer buffer_;
  int32_t credit_frames_;         // 0: no limit
  uint32_t heard_frames_ = 0;     // next_frame of the latest news
  int frame_limit_ = 0;           // of max_frames and runaway_frames
  std::vector<int32_t> history_;  // semantic codes of the turn's frames
  int cached_positions_ = -1;     // before the first start
  uint32_t frames_at_start_ = 0;
  int kv_length_ = 0, launched_ = 0, in_flight_ = 0;
  int pending_draws_ = 0;  // in steps in flight
  int drawing_row_ = -1;   // of the last launched step, if it draws
  bool kv_usable_ = true;
  std::vector<BlockRef> blocks_;
  std::vector<int32_t> block_table_;  // ids of blocks_
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_SEQUENCE_H_
