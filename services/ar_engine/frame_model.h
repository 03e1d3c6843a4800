// FrameModel: what the engine's policy asks of a model: append positions to the KV of some
// sequences, and draw an audio frame after those whose chunk ends in a position to draw from.
//
// Owned by the engine's model thread, which alone calls it. The real one is ModelRunner
// (model_runner.h); tests of the policy use a scripted one. Torch-free.
//
// What always holds between the two: the engine names every KV block in at most one running
// sequence that writes to it; a sequence's chunks come in order of positions without gap or
// overlap; a model keeps nothing of a sequence between steps except what is in its KV blocks.
#ifndef SHOAL_SERVICES_AR_ENGINE_FRAME_MODEL_H_
#define SHOAL_SERVICES_AR_ENGINE_FRAME_MODEL_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/ar_engine/sampler.h"

namespace shoal::engine {

// A run of consecutive positions of one sequence, appended to its KV. Everything it points at
// outlives the Step() call it is passed to.
struct SequenceChunk {
  absl::Span<const int32_t> token_ids;  // (length), length >= 1
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
};

// What Step() says of the chunk at the same index.
struct DrawnFrame {
  bool drawn = false;  // false where no draw was asked for
  bool end = false;    // the draw was eos: `codes` is of no use
  // (num_codebooks): the semantic code (token - semantic_start), then the residual codes as drawn,
  // not clamped to the codec's sizes.
  std::vector<int32_t> codes;
  // Not OK: this chunk's sequence alone is lost, e.g. its logits were not finite (a draw of
  // sampler.h returned a negative index). `drawn` is then false.
  absl::Status status;
};

class FrameModel {
 public:
  static constexpr int kBlockPositions = 16;  // positions a KV block holds

  virtual ~FrameModel() = default;

  // Runs all chunks as one batch. Returns one entry a chunk, in their order. An error means that
  // none of the chunks can be relied on: all of their sequences are lost, the model is not.
  virtual absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) = 0;

  virtual int num_blocks() const = 0;     // block tables hold 0..num_blocks() - 1
  virtual int num_codebooks() const = 0;  // semantic and residual
  virtual int max_seq_len() const = 0;    // positions a sequence may have
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_FRAME_MODEL_H_
