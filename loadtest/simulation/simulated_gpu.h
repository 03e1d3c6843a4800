// SimulatedGpu: a model that computes nothing and takes the time that the real one would take. The
// engine launches steps on it and collects them as on a GPU; collecting moves the simulated clock
// to the end of the step. The vocoder shares it: what a step has drawn is decoded before the next
// step begins.
//
// Draws are those of the workload: a request's seed says how many frames its turn has
// (workload.h). Used by one thread, together with its clock.
#ifndef SHOAL_LOADTEST_SIMULATION_SIMULATED_GPU_H_
#define SHOAL_LOADTEST_SIMULATION_SIMULATED_GPU_H_

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "loadtest/simulation/step_cost.h"
#include "services/ar_engine/policy/frame_model.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::simulation {

// Time of a simulation: seconds since its start, in nanoseconds so that sums are exact.
class SimulatedClock {
 public:
  using TimePoint = engine::Sequence::Clock::time_point;

  TimePoint now() const { return now_; }
  double seconds() const { return std::chrono::duration<double>(now_.time_since_epoch()).count(); }
  // Never back.
  void AdvanceTo(TimePoint time) { now_ = std::max(now_, time); }
  void AdvanceTo(double seconds) { AdvanceTo(At(seconds)); }

  static TimePoint At(double seconds) {
    return TimePoint(std::chrono::nanoseconds(std::llround(seconds * 1e9)));
  }

 private:
  TimePoint now_{};
};

class SimulatedGpu final : public engine::FrameModel {
 public:
  struct Options {
    // An H200 has 141 GB: 100 GB are left for KV when weights (9 GB), the vocoder's states, graphs
    // and work space are there.
    double kv_bytes = 100e9;
    int max_seq_len = 32768;
    int max_in_flight = 2;
  };

  SimulatedGpu(const Options& options, const StepCost& cost, SimulatedClock* clock);

  void Launch(absl::Span<const engine::SequenceChunk> chunks) override;
  absl::StatusOr<std::vector<engine::DrawnFrame>> Collect() override;
  int max_in_flight() const override { return options_.max_in_flight; }
  int num_blocks() const override;
  int num_codebooks() const override { return 1; }  // one stands for all
  int max_seq_len() const override { return options_.max_seq_len; }

  // The vocoder decodes so many frames now, after what the GPU is busy with. Returns when.
  double Decode(int64_t frames);

  double busy_seconds() const { return busy_seconds_; }
  int64_t steps() const { return steps_; }
  int64_t rows() const { return rows_; }
  int64_t prompt_positions() const { return prompt_positions_; }

 private:
  struct Step {
    SimulatedClock::TimePoint launched;
    double seconds = 0;
    std::vector<engine::DrawnFrame> drawn = {};
  };

  // Occupies the GPU from its next free moment, not before `earliest`. Returns the end.
  SimulatedClock::TimePoint Occupy(SimulatedClock::TimePoint earliest, double seconds);

  const Options options_;
  const StepCost cost_;
  SimulatedClock* const clock_;
  std::deque<Step> in_flight_;
  SimulatedClock::TimePoint free_at_{};
  std::vector<RowCost> row_costs_;  // of the step being launched
  double busy_seconds_ = 0;
  int64_t steps_ = 0, rows_ = 0, prompt_positions_ = 0;
};

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_SIMULATED_GPU_H_
