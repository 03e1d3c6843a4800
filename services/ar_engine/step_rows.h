// The chunks of one step laid out as rows of one batch: the shape that the slow decoder works on.
//
// Built anew each step by the model thread. What it accepts is safe to run: every token, code,
// position and block is in range.
#ifndef SHOAL_SERVICES_AR_ENGINE_STEP_ROWS_H_
#define SHOAL_SERVICES_AR_ENGINE_STEP_ROWS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "services/ar_engine/frame_model.h"
#include "services/ar_engine/paged_attention.h"

namespace shoal::engine {

struct StepRows {
  at::Tensor token_ids;             // (rows) int32
  at::Tensor codes;                 // (rows, num_codebooks) int32; unused where not semantic
  PagedRows places;                 // a sequence a chunk
  at::Tensor draw_rows;             // (draws) int64: the last row of each chunk that draws
  std::vector<size_t> draw_chunks;  // (draws): those chunks
};

// INVALID_ARGUMENT, naming the chunk and the field, when something is out of range.
absl::StatusOr<StepRows> LayOutRows(absl::Span<const SequenceChunk> chunks,
                                    const checkpoint::ModelConfig& config, int64_t num_blocks);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_STEP_ROWS_H_
