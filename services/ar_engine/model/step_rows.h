// The chunks of one step laid out as rows of one batch: the shape that the slow decoder works on.
//
// Laid out anew each step by the model thread, in the memory of the steps before. What it accepts
// is safe to run: every token, code, position and block is in range.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_STEP_ROWS_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_STEP_ROWS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "services/ar_engine/model/paged_attention.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

struct StepRows {
  std::vector<int32_t> token_ids;     // (rows)
  std::vector<int32_t> codes;         // (rows, num_codebooks); unused where not semantic
  std::vector<int32_t> position;      // (rows)
  std::vector<int32_t> sequence;      // (rows): the chunk
  std::vector<int32_t> block_tables;  // (chunks, blocks)
  int64_t blocks = 0;                 // the most that a chunk names
  std::vector<int32_t> draw_rows;     // (draws): the last row of each chunk that draws, ascending
  std::vector<size_t> draw_chunks;    // (draws): those chunks

  PagedRows places() const { return {position, sequence, block_tables, blocks}; }
};

// INVALID_ARGUMENT, naming the chunk and the field, when something is out of range.
absl::Status LayOutRows(absl::Span<const SequenceChunk> chunks,
                        const checkpoint::ModelConfig& config, int64_t num_blocks, StepRows& rows);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_STEP_ROWS_H_
