#include "services/ar_engine/sequence.h"

#include <utility>

namespace shoal::engine {

Sequence::Sequence(Request request, int num_codebooks, int32_t semantic_start)
    : submitted(Clock::now()),
      request_(std::move(request)),
      num_codebooks_(num_codebooks),
      semantic_start_(semantic_start) {
  for (int i = request_.prompt_length; i < length(); ++i) {
    history_.push_back(request_.codes[static_cast<size_t>(i) * num_codebooks_]);
  }
}

int Sequence::blocks_needed() const {
  return (max_length() + FrameModel::kBlockPositions - 1) / FrameModel::kBlockPositions;
}

void Sequence::TakeBlocks(std::vector<BlockRef> blocks) {
  blocks_ = std::move(blocks);
  block_table_.clear();
  for (const BlockRef& block : blocks_) block_table_.push_back(block.id());
}

SequenceChunk Sequence::Chunk(int positions) const {
  const size_t first = kv_length_, count = positions;
  SequenceChunk chunk;
  chunk.token_ids = absl::MakeConstSpan(request_.token_ids).subspan(first, count);
  chunk.codes =
      absl::MakeConstSpan(request_.codes).subspan(first * num_codebooks_, count * num_codebooks_);
  chunk.block_table = block_table_;
  chunk.start = kv_length_;
  chunk.sampling = positions == remaining() ? &request_.sampling : nullptr;
  chunk.history = history_;
  chunk.turn = turn();
  chunk.frame = frames();
  return chunk;
}

void Sequence::Append(absl::Span<const int32_t> codes) {
  request_.token_ids.push_back(semantic_start_ + codes[0]);
  request_.codes.insert(request_.codes.end(), codes.begin(), codes.end());
  history_.push_back(codes[0]);
}

}  // namespace shoal::engine
