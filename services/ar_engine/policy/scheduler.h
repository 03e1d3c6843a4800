// Scheduler: which positions of which sequences the next step runs.
//
// A sequence waits, then is admitted: it takes blocks for what is known of it, runs its prompt in
// pieces beside the frames of others, and draws. Rows and blocks go by Precedence (precedence.h).
// Out of blocks, what is only remembered is forgotten first, then blocks are taken from others, who
// begin again later with prompt and frames so far, and draw the same codes as if nothing had been.
//
// What always holds, and why nothing stands still:
//   - the known positions of a sequence get their blocks all at once, and one block is added every
//     16 frames; so one that has begun needs nothing more for its next frame, or one block;
//   - nobody begins past one that has precedence and could not;
//   - if every sequence with blocks needs one more, one of any two may take from the other, and one
//     sequence alone always fits (the Engine checks); blocks that a launched step names come when
//     it is collected, and are waited for instead of taking more;
//   - a paused sequence is never waited for: it holds neither a place nor blocks that others need;
//   - rows: who has been silent for long is first; the eldest whole file is first every
//     kWholeFileTurn-th step.
//
// Owned by the Engine, used by its model thread alone. Owns all sequences that have not ended.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_SCHEDULER_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/admission_queue.h"
#include "services/ar_engine/policy/kv_memory.h"
#include "services/ar_engine/policy/precedence.h"
#include "services/ar_engine/policy/sequence.h"
#include "services/ar_engine/policy/step_cost.h"

namespace shoal::engine {

// A part of a step.
struct ScheduledChunk {
  Sequence* sequence;
  int positions;
};

class Scheduler {
 public:
  using Policy = engine::Policy;
  using TimePoint = Sequence::TimePoint;
  static constexpr int kWholeFileTurn = 16;

  struct Options {
    Policy policy = Policy::kDeadline;
    int max_running = 16;      // sequences a step
    int max_streams = 0;       // that are admitted and not paused; 0: max_running
    int max_waiting = 64;      // sequences beyond those
    int prefill_tokens = 512;  // prompt positions a step
    Hurry hurry = {};
  };

  // `memory` outlives this.
  Scheduler(const Options& options, KvMemory* memory);

  // RESOURCE_EXHAUSTED (BusyError) when as many wait as may, or it would wait longer than its
  // limit. REQUIRES: its blocks fit into an empty pool.
  absl::Status Add(std::unique_ptr<Sequence> sequence, TimePoint now);

  // Admits what can be admitted and returns the next step's work; no sequence twice. Sequences that
  // `held` is true for sit out (see Engine::Options::hold). Valid until the next call.
  absl::Span<const ScheduledChunk> Next(absl::FunctionRef<bool(const Sequence&)> held,
                                        TimePoint now);

  // Takes a sequence out, wherever it is. Its blocks are still its own.
  std::unique_ptr<Sequence> Remove(const Sequence* sequence, TimePoint now);

  // What a step with so many rows, and positions of prompts beyond one a row, cost.
  void LearnStep(int rows, int prompt_positions, double seconds) {
    cost_.Learn(rows, prompt_positions, seconds);
  }

  // Seconds until a request of so many positions that comes now draws its first frame.
  double ExpectedWait(AdmissionQueue::Line line, int positions, TimePoint now) const;

  // In order of admission: those that are admitted, then those that wait.
  std::vector<Sequence*> sequences() const;
  Sequence* Find(const StreamKey& stream) const;
  int running() const { return static_cast<int>(admitted_.size()); }
  int waiting() const { return queue_.size(); }

 private:
  struct Candidate {
    Sequence* sequence;
    Standing standing;
  };
  struct Places {
    int playback = 0, whole_files = 0;  // admitted, not paused
    double age = 0;                     // mean seconds since then
  };

  int max_streams() const;
  Places TakenPlaces(TimePoint now) const;
  void Admit(TimePoint now);
  void MarkEldestWholeFile();
  // Fills candidates_, the first in line first.
  void Rank(absl::FunctionRef<bool(const Sequence&)> held, TimePoint now);
  // Prompt positions that the next step may have.
  int PromptBudget() const;
  // Rows of a step that takes as long as so many of its frames play.
  int RowsFor(double frames) const;
  // Rows that a step a new turn waits for may grow to, for those who could as well sit out.
  int MostRows(int rows, int prompt_positions) const;
  // Whether the sequence has the blocks for that; takes them from others if it may.
  bool GetBlocks(const Candidate& candidate, int positions, TimePoint now);
  // How many blocks it lacks, after taking them if they are there.
  int MissingBlocks(Sequence& sequence, int positions);
  // Makes another one give up its blocks. False: nobody may be asked, or not for so many.
  bool TakeBlocks(const Candidate& taker, int missing, TimePoint now);

  const Options options_;
  const Precedence precedence_;
  KvMemory* const memory_;
  AdmissionQueue queue_;
  std::vector<std::unique_ptr<Sequence>> admitted_;  // in order of admission
  StepCost cost_;
  uint64_t arrivals_ = 0, steps_ = 0;
  std::vector<Candidate> candidates_;  // of Next(), kept for their storage
  std::vector<ScheduledChunk> work_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_SCHEDULER_H_
