// Scheduler: which positions of which sequences the next step runs.
//
// First come, first served. A sequence waits until blocks for its whole prompt and all its frames
// are free, and keeps them until it is removed: whatever runs can run to its end, so nothing ever
// waits for something that waits for it. Nobody overtakes the one who has waited longest, so
// everybody gets a turn. A step runs one position of every sequence that is drawing frames, then
// pieces of prompts in order of arrival, up to prefill_tokens positions.
//
// Owned by the Engine, used by its model thread alone. Owns all sequences.
#ifndef SHOAL_SERVICES_AR_ENGINE_SCHEDULER_H_
#define SHOAL_SERVICES_AR_ENGINE_SCHEDULER_H_

#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "services/ar_engine/block_pool.h"
#include "services/ar_engine/sequence.h"

namespace shoal::engine {

// A part of a step.
struct ScheduledChunk {
  Sequence* sequence;
  int positions;
};

class Scheduler {
 public:
  struct Options {
    int max_running = 16;      // sequences a step
    int max_waiting = 64;      // sequences beyond those
    int prefill_tokens = 512;  // prompt positions a step
  };

  // `blocks` outlives this.
  Scheduler(const Options& options, BlockPool* blocks);

  // RESOURCE_EXHAUSTED when as many wait as may. REQUIRES: its blocks fit into an empty pool.
  absl::Status Add(std::unique_ptr<Sequence> sequence);

  // Admits what can be admitted and returns the next step's work; no sequence twice. Sequences that
  // `held` is true for sit out (see Engine::Options::hold).
  std::vector<ScheduledChunk> Next(absl::FunctionRef<bool(const Sequence&)> held);

  // Takes a sequence out, wherever it is; destroying it frees its blocks.
  std::unique_ptr<Sequence> Remove(const Sequence* sequence);

  // In order of arrival: those that run, then those that wait.
  std::vector<Sequence*> sequences() const;
  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }

 private:
  void Admit();

  const Options options_;
  BlockPool* const blocks_;
  std::deque<std::unique_ptr<Sequence>> waiting_;
  std::vector<std::unique_ptr<Sequence>> running_;  // in order of admission
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SCHEDULER_H_
