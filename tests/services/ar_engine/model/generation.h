// Driving a StepModel by hand: sequences with their prompt, block table and history, and a loop
// that steps many of them as one batch.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_GENERATION_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_GENERATION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

struct TestSequence {
  std::vector<int32_t> token_ids;
  std::vector<int32_t> codes;  // (length, num_codebooks)
  SamplingParams sampling;
  uint32_t turn = 0;

  std::vector<int32_t> block_table;
  int32_t computed = 0;  // positions in the KV
  std::vector<int32_t> history;
  std::vector<std::vector<int32_t>> frames;  // drawn, without the end
  bool ended = false;
};

struct GenerationOptions {
  int64_t semantic_start = 0;
  int max_frames = 0;
  // Positions of a prompt that one step takes; sequence i takes i more, so that the sequences of a
  // batch stand at different places.
  int chunk = 1 << 20;
};

// Gives every sequence blocks for its prompt and max_frames out of 0..num_blocks-1, scattered.
// Throws std::runtime_error when they do not suffice.
void ShareBlocks(std::vector<TestSequence>& sequences, int max_frames, int num_blocks,
                 uint64_t seed);

// One step: sequences[i] runs its next lengths[i] positions, or as many as it has. They must
// differ. Throws on errors of the model.
void StepSequences(StepModel& model, absl::Span<TestSequence* const> sequences,
                   absl::Span<const int> lengths, int64_t semantic_start);

// Steps all sequences until each has ended or has max_frames frames. Throws on errors of the model.
void Generate(StepModel& model, std::vector<TestSequence>& sequences,
              const GenerationOptions& options);

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_GENERATION_H_
