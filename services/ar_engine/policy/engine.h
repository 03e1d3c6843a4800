// Engine: turns requests into frames of codes. A step is schedule -> launch -> collect -> emit: the
// scheduler names positions, the model runs them and draws, and the sink hears what came of it. If
// the model allows two steps in flight, the one collected is the one before the one launched.
//
// Used by the model thread alone; owns all sequences and the accounting of KV blocks. What always
// holds after every call: each sequence that was accepted and has not ended is in the scheduler;
// one that ended (finished, failed, cancelled) has told the sink once, and gives its blocks up when
// the last step that names them is collected.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_ENGINE_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_ENGINE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/ar_engine/policy/admission_queue.h"
#include "services/ar_engine/policy/block_pool.h"
#include "services/ar_engine/policy/frame_model.h"
#include "services/ar_engine/policy/kv_memory.h"
#include "services/ar_engine/policy/scheduler.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

enum class FinishReason { kStop, kMaxFrames, kCancelled, kRunaway };

// Told of everything that happens to sequences, in order, during the engine's calls. Must not call
// the engine back.
class EngineSink {
 public:
  virtual ~EngineSink() = default;
  // Its first positions are about to run.
  virtual void OnStarted(const Sequence& sequence) = 0;
  // codes: (num_codebooks). An error ends the sequence with OnFailed: nobody takes its frames.
  virtual absl::Status OnFrame(const Sequence& sequence, uint32_t frame,
                               absl::Span<const int32_t> codes) = 0;
  // sequence.frames() is the turn's number of frames.
  virtual void OnFinished(const Sequence& sequence, FinishReason reason) = 0;
  virtual void OnFailed(const Sequence& sequence, const absl::Status& why) = 0;
};

class Engine {
 public:
  using Clock = Sequence::Clock;
  using TimePoint = Sequence::TimePoint;

  struct Options {
    Scheduler::Options scheduler = {};
    int32_t semantic_start = 0;  // token id of semantic code 0
    bool prefix_cache = true;    // KV of earlier prompts and turns is kept for later ones
    // A sequence for which this is true takes no part in a step. For tests; null: none.
    std::function<bool(const Sequence&)> hold = nullptr;
    std::function<TimePoint()> clock = Clock::now;
  };

  // What a step did: it launched one, and collected one.
  struct StepReport {
    int launched = 0;   // sequences in the step launched; 0: there was nothing to run
    int rows = 0;       // sequences in the step collected; 0: none was due
    int positions = 0;  // of those, of which the prompts' were more than one a row
    int frames = 0;     // drawn and emitted
    Clock::duration schedule{}, run{}, emit{};  // run: time waited for the model

    bool worked() const { return launched > 0 || rows > 0; }
  };

  // `model` and `sink` outlive this.
  Engine(const Options& options, FrameModel* model, EngineSink* sink);

  // Queues a checked request. An error accepts nothing: INVALID_ARGUMENT when it can never fit,
  // naming the limit; RESOURCE_EXHAUSTED when too many wait or it would wait too long
  // (RetryAfterSeconds says when to try again).
  absl::Status Submit(Request request);

  // The one sequence of a stream, null when there is none.
  const Sequence* Find(const StreamKey& stream) const;

  // Ends every sequence that `which` is true for, as cancelled. Returns how many.
  int Cancel(absl::FunctionRef<bool(const Sequence&)> which);
  // The same, as failed.
  int Fail(absl::FunctionRef<bool(const Sequence&)> which, const absl::Status& why);

  // Takes in what a front says of a stream; what is older than what is known changes nothing.
  void Update(const StreamKey& stream, const ListenerNews& news);

  StepReport Step();

  // Nothing is left to do: no sequence, and no step in flight.
  bool idle() const {
    return scheduler_.running() == 0 && scheduler_.waiting() == 0 && in_flight_ == 0;
  }
  int running() const { return scheduler_.running(); }
  int waiting() const { return scheduler_.waiting(); }
  // Used blocks are those of sequences and those that the prefix cache knows.
  const BlockPool& blocks() const { return memory_.blocks(); }
  const PrefixCache& prefix_cache() const { return memory_.cache(); }
  uint64_t preemptions() const { return memory_.taken_back(); }  // since the start
  const KvMemory& memory() const { return memory_; }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  // A step that the model has and that is not collected.
  struct LaunchedStep {
    std::vector<ScheduledChunk> work;
    TimePoint launched;
  };

  void Launch(absl::Span<const ScheduledChunk> work);
  absl::StatusOr<std::vector<DrawnFrame>> Collect();
  // Lets the scheduler know what the step cost. Returns its positions.
  int Learn(const LaunchedStep& step);
  // Returns the number of frames emitted.
  int Emit(absl::Span<const ScheduledChunk> work,
           const absl::StatusOr<std::vector<DrawnFrame>>& drawn);
  // One sequence's part of Emit: its frame goes out, or its end is returned.
  struct End {
    absl::Status failure = absl::OkStatus();  // OK: `reason` says it
    FinishReason reason = FinishReason::kStop;
  };
  std::optional<End> EmitFrame(Sequence& sequence, const DrawnFrame& frame);
  void Remove(const Sequence* sequence, const End& end);
  int RemoveAll(absl::FunctionRef<bool(const Sequence&)> which, const End& end);

  const Options options_;
  FrameModel* const model_;
  EngineSink* const sink_;
  KvMemory memory_;
  Scheduler scheduler_;
  std::array<LaunchedStep, 2> steps_;  // the oldest is at oldest_
  size_t oldest_ = 0;
  int in_flight_ = 0;
  TimePoint collected_;                // the last one
  std::vector<SequenceChunk> chunks_;  // of Launch
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_ENGINE_H_
