#include "services/ar_engine/model/step_rows.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

int64_t Length(const SequenceChunk& chunk) { return static_cast<int64_t>(chunk.token_ids.size()); }

// Empty when the chunk is safe to run, else what is wrong with it.
std::string Problem(const SequenceChunk& chunk, const checkpoint::ModelConfig& config,
                    int64_t num_blocks) {
  const int64_t end = chunk.start + Length(chunk);
  if (chunk.token_ids.empty()) return "token_ids is empty";
  if (chunk.start < 0 || end > config.text.max_seq_len) {
    return absl::StrCat("positions ", chunk.start, "..", end - 1, " are not within max_seq_len ",
                        config.text.max_seq_len);
  }
  const int64_t code_count = Length(chunk) * config.num_codebooks;
  if (static_cast<int64_t>(chunk.codes.size()) != code_count) {
    return absl::StrCat("codes holds ", chunk.codes.size(), " values, expected ", code_count);
  }
  const int64_t blocks = BlocksFor(end);
  if (static_cast<int64_t>(chunk.block_table.size()) < blocks) {
    return absl::StrCat("block_table names ", chunk.block_table.size(), " blocks, ", blocks,
                        " are needed");
  }
  for (const int32_t block : chunk.block_table.first(blocks)) {
    if (block < 0 || block >= num_blocks) {
      return absl::StrCat("block ", block, " is not one of ", num_blocks);
    }
  }
  for (int64_t i = 0; i < Length(chunk); ++i) {
    const int32_t token = chunk.token_ids[i];
    if (token < 0 || token >= config.text.vocab_size) {
      return absl::StrCat("token ", token, " is not below vocab_size ", config.text.vocab_size);
    }
    if (token < config.semantic_start || token > config.semantic_end) continue;
    for (const int32_t code : chunk.codes.subspan(i * config.num_codebooks, config.num_codebooks)) {
      if (code < 0 || code >= config.audio.vocab_size) {
        return absl::StrCat("code ", code, " is not below the ", config.audio.vocab_size,
                            " entries of a codebook");
      }
    }
  }
  return "";
}

}  // namespace

absl::Status LayOutRows(absl::Span<const SequenceChunk> chunks,
                        const checkpoint::ModelConfig& config, int64_t num_blocks, StepRows& rows) {
  int64_t widest = 1;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const std::string problem = Problem(chunks[i], config, num_blocks);
    if (!problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("chunk ", i, " of the step: ", problem));
    }
    widest = std::max(widest, BlocksFor(chunks[i].start + Length(chunks[i])));
  }

  rows.token_ids.clear();
  rows.codes.clear();
  rows.position.clear();
  rows.sequence.clear();
  rows.draw_rows.clear();
  rows.draw_chunks.clear();
  rows.blocks = widest;
  rows.block_tables.assign(chunks.size() * static_cast<size_t>(widest), 0);
  for (size_t i = 0; i < chunks.size(); ++i) {
    const SequenceChunk& chunk = chunks[i];
    rows.token_ids.insert(rows.token_ids.end(), chunk.token_ids.begin(), chunk.token_ids.end());
    rows.codes.insert(rows.codes.end(), chunk.codes.begin(), chunk.codes.end());
    const int64_t blocks = BlocksFor(chunk.start + Length(chunk));
    std::copy_n(chunk.block_table.begin(), blocks,
                rows.block_tables.begin() + static_cast<int64_t>(i) * widest);
    for (int64_t j = 0; j < Length(chunk); ++j) {
      rows.position.push_back(static_cast<int32_t>(chunk.start + j));
      rows.sequence.push_back(static_cast<int32_t>(i));
    }
    if (chunk.sampling == nullptr) continue;
    rows.draw_rows.push_back(static_cast<int32_t>(rows.position.size()) - 1);
    rows.draw_chunks.push_back(i);
  }
  return absl::OkStatus();
}

}  // namespace shoal::engine
