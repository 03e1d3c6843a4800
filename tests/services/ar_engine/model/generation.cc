#include "tests/services/ar_engine/model/generation.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

namespace shoal::engine {
namespace {

SequenceChunk NextChunk(const TestSequence& sequence, size_t num_codebooks, size_t length) {
  const size_t start = static_cast<size_t>(sequence.computed);
  SequenceChunk chunk;
  chunk.token_ids = absl::MakeConstSpan(sequence.token_ids).subspan(start, length);
  chunk.codes = absl::MakeConstSpan(sequence.codes)
                    .subspan(start * num_codebooks, chunk.token_ids.size() * num_codebooks);
  chunk.block_table = sequence.block_table;
  chunk.start = sequence.computed;
  const bool complete = start + chunk.token_ids.size() == sequence.token_ids.size();
  chunk.sampling = complete ? &sequence.sampling : nullptr;
  chunk.history = sequence.history;
  chunk.turn = sequence.turn;
  chunk.frame = static_cast<uint32_t>(sequence.history.size());
  return chunk;
}

void Take(const DrawnFrame& frame, int64_t semantic_start, TestSequence& sequence) {
  if (!frame.status.ok()) throw std::runtime_error(frame.status.ToString());
  if (!frame.drawn) return;
  sequence.ended = frame.end;
  if (frame.end) return;
  sequence.frames.push_back(frame.codes);
  sequence.history.push_back(frame.codes[0]);
  sequence.token_ids.push_back(static_cast<int32_t>(semantic_start + frame.codes[0]));
  sequence.codes.insert(sequence.codes.end(), frame.codes.begin(), frame.codes.end());
}

}  // namespace

void ShareBlocks(std::vector<TestSequence>& sequences, int max_frames, int num_blocks,
                 uint64_t seed) {
  std::vector<int32_t> blocks(static_cast<size_t>(num_blocks));
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), std::mt19937_64(seed));
  for (TestSequence& sequence : sequences) {
    const size_t positions = sequence.token_ids.size() + static_cast<size_t>(max_frames);
    const size_t n = positions / StepModel::kBlockPositions + 1;
    if (n > blocks.size()) throw std::runtime_error("too few blocks for the sequences");
    sequence.block_table.assign(blocks.end() - static_cast<ptrdiff_t>(n), blocks.end());
    blocks.resize(blocks.size() - n);
  }
}

void StepSequences(StepModel& model, absl::Span<TestSequence* const> sequences,
                   absl::Span<const int> lengths, int64_t semantic_start) {
  std::vector<SequenceChunk> chunks;
  for (size_t i = 0; i < sequences.size(); ++i) {
    chunks.push_back(NextChunk(*sequences[i], static_cast<size_t>(model.num_codebooks()),
                               static_cast<size_t>(lengths[i])));
  }
  const absl::StatusOr<std::vector<DrawnFrame>> drawn = model.Step(chunks);
  if (!drawn.ok()) throw std::runtime_error(drawn.status().ToString());
  for (size_t i = 0; i < sequences.size(); ++i) {
    sequences[i]->computed += static_cast<int32_t>(chunks[i].token_ids.size());
    Take((*drawn)[i], semantic_start, *sequences[i]);
  }
}

void Generate(StepModel& model, std::vector<TestSequence>& sequences,
              const GenerationOptions& options) {
  while (true) {
    std::vector<TestSequence*> going;
    std::vector<int> lengths;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const bool full = static_cast<int>(sequences[i].frames.size()) >= options.max_frames;
      if (sequences[i].ended || full) continue;
      going.push_back(&sequences[i]);
      lengths.push_back(options.chunk + static_cast<int>(i));
    }
    if (going.empty()) return;
    StepSequences(model, going, lengths, options.semantic_start);
  }
}

}  // namespace shoal::engine
