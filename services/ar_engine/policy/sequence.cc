#include "services/ar_engine/policy/sequence.h"

#include <algorithm>
#include <utility>

namespace shoal::engine {

Sequence::Sequence(Request request, int num_codebooks, int32_t semantic_start, TimePoint now)
    : submitted(now),
      request_(std::move(request)),
      num_codebooks_(num_codebooks),
      semantic_start_(semantic_start),
      buffer_(request_.frame_seconds, request_.buffered_seconds, now),
      credit_frames_(request_.credit_frames) {
  for (int i = request_.prompt_length; i < length(); ++i) {
    history_.push_back(request_.codes[static_cast<size_t>(i) * num_codebooks_]);
  }
  frame_limit_ = request_.max_frames;
  if (const int runaway = request_.runaway_frames; runaway > 0) {
    // A turn that an earlier attempt brought there says so after one more frame.
    frame_limit_ = std::min(frame_limit_, std::max(runaway, static_cast<int>(frames()) + 1));
  }
}

bool Sequence::paused() const {
  return credit_frames_ > 0 && static_cast<int>(frames()) + pending_draws_ >= credit_frames_;
}

void Sequence::Update(const ListenerNews& news, TimePoint now) {
  if (news.turn != turn() || news.attempt != attempt()) return;
  const bool older = news.next_frame < heard_frames_ ||
                     (news.credit_frames > 0 && news.credit_frames < credit_frames_);
  if (news.credit_frames > 0) credit_frames_ = std::max(credit_frames_, news.credit_frames);
  if (older || news.next_frame > frames()) return;
  heard_frames_ = news.next_frame;
  buffer_.Correct(news.buffered_seconds, static_cast<int>(frames() - news.next_frame), now);
}

int Sequence::remaining() const {
  if (paused() || static_cast<int>(frames()) + pending_draws_ >= frame_limit_) return 0;
  return length() + pending_draws_ - launched_;
}

void Sequence::Start(std::vector<BlockRef> cached) {
  kv_length_ = launched_ = static_cast<int>(cached.size()) * FrameModel::kBlockPositions;
  if (cached_positions_ < 0) cached_positions_ = std::min(kv_length_, prompt_length());
  frames_at_start_ = frames();
  AddBlocks(std::move(cached));
}

void Sequence::DropBlocks() {
  blocks_.clear();
  block_table_.clear();
  kv_length_ = launched_ = 0;
  drawing_row_ = -1;
  is_remembered = gives_up_blocks = false;
}

void Sequence::AddBlocks(std::vector<BlockRef> blocks) {
  for (BlockRef& block : blocks) {
    block_table_.push_back(block.id());
    blocks_.push_back(std::move(block));
  }
}

SequenceChunk Sequence::Chunk(int positions) const {
  SequenceChunk chunk;
  if (launched_ < length()) {
    const size_t first = launched_, count = positions;
    chunk.token_ids = absl::MakeConstSpan(request_.token_ids).subspan(first, count);
    chunk.codes =
        absl::MakeConstSpan(request_.codes).subspan(first * num_codebooks_, count * num_codebooks_);
  } else {
    chunk.drawn_by = drawing_row_;
  }
  chunk.block_table = block_table_;
  chunk.start = launched_;
  chunk.sampling = positions == remaining() ? &request_.sampling : nullptr;
  chunk.history = history_;
  chunk.turn = turn();
  chunk.frame = frames() + static_cast<uint32_t>(pending_draws_);
  return chunk;
}

void Sequence::OnLaunched(int positions, int row) {
  const bool draws = positions == remaining();
  launched_ += positions;
  ++in_flight_;
  pending_draws_ += draws ? 1 : 0;
  drawing_row_ = draws ? row : -1;
}

void Sequence::OnCollected(int positions, bool usable) {
  --in_flight_;
  kv_usable_ = kv_usable_ && usable;
  // What a draw added after the sequence ended is not known here, and so not counted.
  if (kv_usable_) kv_length_ = std::min(kv_length_ + positions, length());
}

void Sequence::Append(absl::Span<const int32_t> codes, TimePoint now) {
  request_.token_ids.push_back(semantic_start_ + codes[0]);
  request_.codes.insert(request_.codes.end(), codes.begin(), codes.end());
  history_.push_back(codes[0]);
  --pending_draws_;
  buffer_.AddFrame(now);
}

}  // namespace shoal::engine
