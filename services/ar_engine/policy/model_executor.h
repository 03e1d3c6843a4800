// ModelExecutor: makes the asynchronous FrameModel of the engine out of a StepModel. It copies each
// step it is given, fills in positions that the step before has drawn, leaves out those whose draw
// ended or failed, and runs the rest.
//
// Threaded, the steps run on a thread of its own, which alone calls the StepModel from then on, and
// two may be in flight: the model computes one while the host emits the last and plans the next.
// Otherwise a step runs inside Collect(), with the same results. Its methods are called by the
// engine's thread. Buffers are kept from step to step.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_MODEL_EXECUTOR_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_MODEL_EXECUTOR_H_

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {

class ModelExecutor final : public FrameModel {
 public:
  struct Options {
    int32_t semantic_start = 0;  // token id of semantic code 0
    bool threaded = false;
    int max_in_flight = 1;  // 1 or 2; threaded: always 2
  };

  // `model` outlives this.
  ModelExecutor(StepModel* model, const Options& options);
  // Steps that have not begun are dropped.
  ~ModelExecutor() override;
  ModelExecutor(const ModelExecutor&) = delete;
  ModelExecutor& operator=(const ModelExecutor&) = delete;

  int max_in_flight() const override { return max_in_flight_; }
  void Launch(absl::Span<const SequenceChunk> chunks) override;
  absl::StatusOr<std::vector<DrawnFrame>> Collect() override;

  int num_blocks() const override { return model_->num_blocks(); }
  int num_codebooks() const override { return model_->num_codebooks(); }
  int max_seq_len() const override { return model_->max_seq_len(); }

 private:
  static constexpr int kMostInFlight = 2;

  // A chunk and all that it points at.
  struct OwnedChunk {
    SequenceChunk chunk;  // its spans are set by View
    std::vector<int32_t> token_ids, codes, block_table, history;
    SamplingParams sampling;
    bool draws = false;

    void Copy(const SequenceChunk& from);
    void TakeDrawn(int32_t token_id, absl::Span<const int32_t> drawn_codes);
    const SequenceChunk& View();
  };
  struct LaunchedStep {
    std::vector<OwnedChunk> chunks;  // may be longer than `size`
    size_t size = 0;
    absl::StatusOr<std::vector<DrawnFrame>> result;
  };

  LaunchedStep& Slot(uint64_t step) { return steps_[step % kMostInFlight]; }
  void RunSteps();
  absl::StatusOr<std::vector<DrawnFrame>> Run(LaunchedStep& step);

  const int32_t semantic_start_;
  const int max_in_flight_;
  StepModel* const model_;

  // Touched by whoever runs the steps.
  std::vector<DrawnFrame> last_drawn_;  // by the step before; all empty if it failed
  std::vector<SequenceChunk> chunks_;
  std::vector<size_t> places_;  // of chunks_ in the step

  std::array<LaunchedStep, kMostInFlight> steps_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t launched_ = 0, computed_ = 0, collected_ = 0;  // steps
  bool closed_ = false;
  std::thread thread_;  // not joinable: steps run in Collect()
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_MODEL_EXECUTOR_H_
