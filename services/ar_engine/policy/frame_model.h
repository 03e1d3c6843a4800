// What the engine's policy asks of a model: append positions to the KV of some sequences, and draw
// an audio frame after those whose chunk ends in a position to draw from.
//
// FrameModel takes a step and gives its result later, so that the host can plan one step while the
// model computes another. StepModel does a step while the caller waits; ModelExecutor
// (model_executor.h) makes a FrameModel of it. Both are owned by whoever runs the engine and called
// by one thread. Torch-free.
//
// What always holds between engine and model: a KV block that a step writes to belongs to one
// sequence alone; a sequence's chunks come in order of positions without gap or overlap, or from
// position 0 again; the blocks a step names stay that sequence's until the step is collected; a
// model keeps nothing of a sequence between steps except what is in its KV blocks.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_FRAME_MODEL_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_FRAME_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/sampler.h"

namespace shoal::engine {

// A run of consecutive positions of one sequence, appended to its KV. What it points at lives as
// long as the call it is passed to.
struct SequenceChunk {
  absl::Span<const int32_t> token_ids;  // (length), length >= 1 unless drawn_by >= 0
  // (length, num_codebooks) row-major; a row is ignored where its token is not semantic.
  absl::Span<const int32_t> codes;
  // The KV block of each kBlockPositions positions; covers at least start + length positions.
  absl::Span<const int32_t> block_table;
  int32_t start = 0;  // position of token_ids[0] = KV length before this chunk
  // Null: no draw after this chunk (the prompt goes on in a later step).
  const SamplingParams* sampling = nullptr;
  // Semantic codes of all frames of this turn so far, oldest first; its size is `frame`.
  absl::Span<const int32_t> history;
  uint32_t turn = 0, frame = 0;  // for the draw key, with sampling->seed
  // Of FrameModel only. >= 0: the chunk is the one position that chunk `drawn_by` of the step
  // launched just before this one draws. Then token_ids and codes are empty, `sampling` is set, and
  // `history` lacks that frame's code, which `frame` counts. Where that draw ends the audio or
  // fails this chunk is not run.
  int drawn_by = -1;
};

// What came of the chunk at the same index.
struct DrawnFrame {
  bool drawn = false;  // false where no draw was asked for, or the chunk was not run
  bool end = false;    // the draw was eos: `codes` is of no use
  // (num_codebooks): the semantic code (token - semantic_start), then the residual codes as drawn,
  // not clamped to the codec's sizes.
  std::vector<int32_t> codes;
  // Not OK: this chunk's sequence alone is lost, e.g. its logits were not finite (a draw of
  // sampler.h returned a negative index). `drawn` is then false.
  absl::Status status;
};

// Whether the frame's codes can be sent and fed back.
inline bool HasUsableCodes(const DrawnFrame& frame, int num_codebooks) {
  return frame.drawn && !frame.end && static_cast<int>(frame.codes.size()) == num_codebooks &&
         *std::min_element(frame.codes.begin(), frame.codes.end()) >= 0;
}

// The sizes that every model tells.
class ModelSizes {
 public:
  static constexpr int kBlockPositions = 16;  // positions a KV block holds

  virtual ~ModelSizes() = default;
  virtual int num_blocks() const = 0;     // block tables hold 0..num_blocks() - 1
  virtual int num_codebooks() const = 0;  // semantic and residual
  virtual int max_seq_len() const = 0;    // positions a sequence may have
};

class StepModel : public ModelSizes {
 public:
  // Runs all chunks as one batch. Returns one entry a chunk, in their order. An error means that
  // none of the chunks can be relied on: all of their sequences are lost, the model is not.
  virtual absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) = 0;
};

class FrameModel : public ModelSizes {
 public:
  // Steps that may be launched and not collected, 1 or 2.
  virtual int max_in_flight() const = 0;
  // Begins a step after those that are in flight. Copies what it needs. REQUIRES: fewer than
  // max_in_flight() steps are in flight.
  virtual void Launch(absl::Span<const SequenceChunk> chunks) = 0;
  // Waits for the oldest step in flight; returns what StepModel::Step does. REQUIRES: there is one.
  virtual absl::StatusOr<std::vector<DrawnFrame>> Collect() = 0;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_FRAME_MODEL_H_
