// Sequence: one turn of one stream while the engine generates it. It holds the positions known so
// far (the prompt, then one a frame), how many of them are in the KV, and the blocks they are in.
//
// Owned by the Scheduler, used by the model thread alone. What always holds: kv_length() <
// length() while it runs (the last position is what the next draw is made from), and its blocks,
// once it has them, cover the whole prompt and all frames it may still draw.
#ifndef SHOAL_SERVICES_AR_ENGINE_SEQUENCE_H_
#define SHOAL_SERVICES_AR_ENGINE_SEQUENCE_H_

#include <chrono>
#include <compare>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "services/ar_engine/block_pool.h"
#include "services/ar_engine/frame_model.h"
#include "services/ar_engine/sampler.h"

namespace shoal::engine {

// A session of one client of one front.
struct StreamKey {
  uint64_t front = 0;  // incarnation
  uint64_t high = 0, low = 0;

  auto operator<=>(const StreamKey&) const = default;
};

// What a front asks for: one turn's codes.
struct Request {
  StreamKey stream;
  uint32_t turn = 0, attempt = 0;
  std::vector<int32_t> token_ids;  // (L)
  std::vector<int32_t> codes;      // (L, num_codebooks)
  // Positions from here on are frames that an earlier attempt at this turn has drawn. = L: none.
  int32_t prompt_length = 0;
  int32_t max_frames = 0;  // of the turn, earlier attempts included
  SamplingParams sampling;
};

class Sequence {
 public:
  using Clock = std::chrono::steady_clock;

  // `semantic_start` is the token id of semantic code 0. REQUIRES: the request was checked.
  Sequence(Request request, int num_codebooks, int32_t semantic_start);

  const StreamKey& stream() const { return request_.stream; }
  uint32_t turn() const { return request_.turn; }
  uint32_t attempt() const { return request_.attempt; }
  int prompt_length() const { return request_.prompt_length; }

  int length() const { return static_cast<int>(request_.token_ids.size()); }
  int kv_length() const { return kv_length_; }
  int remaining() const { return length() - kv_length_; }
  int max_length() const { return request_.prompt_length + request_.max_frames; }
  uint32_t frames() const { return static_cast<uint32_t>(history_.size()); }
  bool at_frame_limit() const { return frames() >= static_cast<uint32_t>(request_.max_frames); }

  int blocks_needed() const;
  bool has_blocks() const { return !blocks_.empty(); }
  void TakeBlocks(std::vector<BlockRef> blocks);

  // The next `positions` positions; they draw if they reach the end. Valid until the sequence
  // changes. REQUIRES: has_blocks(), 1 <= positions <= remaining().
  SequenceChunk Chunk(int positions) const;
  // They are in the KV now.
  void Advance(int positions) { kv_length_ += positions; }
  // A frame was drawn: its codes are the next position. (num_codebooks)
  void Append(absl::Span<const int32_t> codes);

  // For Event.Finished.
  Clock::time_point submitted, started, first_frame;
  bool has_started = false;

 private:
  Request request_;  // token_ids and codes grow by a position a frame
  const int num_codebooks_;
  const int32_t semantic_start_;
  std::vector<int32_t> history_;  // semantic codes of the turn's frames
  int kv_length_ = 0;
  std::vector<BlockRef> blocks_;
  std::vector<int32_t> block_table_;  // ids of blocks_
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SEQUENCE_H_
