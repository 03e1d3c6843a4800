#include "loadtest/simulation/simulated_gpu.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "loadtest/simulation/workload.h"

namespace shoal::simulation {
namespace {

// The frame's number says all: a turn of n frames draws frames 0..n-1 and then its end.
engine::DrawnFrame Draw(const engine::SequenceChunk& chunk) {
  engine::DrawnFrame frame;
  if (chunk.sampling == nullptr) return frame;
  const uint64_t seed = chunk.sampling->seed;
  const uint32_t frames = static_cast<uint32_t>(FramesOfSeed(seed));
  // Launched before it was known that the draw it builds on was the end.
  if (chunk.drawn_by >= 0 && chunk.frame > frames) return frame;
  frame.drawn = true;
  frame.end = chunk.frame >= frames;
  frame.codes = {DrawnCode(seed, chunk.frame)};
  return frame;
}

}  // namespace

SimulatedGpu::SimulatedGpu(const Options& options, const StepCost& cost, SimulatedClock* clock)
    : options_(options), cost_(cost), clock_(clock) {}

int SimulatedGpu::num_blocks() const {
  return static_cast<int>(options_.kv_bytes /
                          (cost_.model().kv_bytes_a_position() * kBlockPositions));
}

void SimulatedGpu::Launch(absl::Span<const engine::SequenceChunk> chunks) {
  Step step{.launched = clock_->now()};
  step.drawn.reserve(chunks.size());
  row_costs_.clear();
  for (const engine::SequenceChunk& chunk : chunks) {
    // A position whose token is drawn on the GPU has no token here.
    const int positions = std::max<int>(1, static_cast<int>(chunk.token_ids.size()));
    row_costs_.push_back(
        {.start = chunk.start, .positions = positions, .draws = chunk.sampling != nullptr});
    if (chunk.frame == 0 || positions > 1) prompt_positions_ += positions;
    step.drawn.push_back(Draw(chunk));
  }
  step.seconds = cost_.StepSeconds(row_costs_);
  ++steps_;
  rows_ += static_cast<int64_t>(chunks.size());
  in_flight_.push_back(std::move(step));
}

absl::StatusOr<std::vector<engine::DrawnFrame>> SimulatedGpu::Collect() {
  if (in_flight_.empty()) return absl::FailedPreconditionError("no step was launched");
  Step step = std::move(in_flight_.front());
  in_flight_.pop_front();
  clock_->AdvanceTo(Occupy(step.launched, step.seconds));
  return std::move(step.drawn);
}

double SimulatedGpu::Decode(int64_t frames) {
  const auto end = Occupy(clock_->now(), cost_.VocoderSeconds(frames));
  return std::chrono::duration<double>(end.time_since_epoch()).count();
}

SimulatedClock::TimePoint SimulatedGpu::Occupy(SimulatedClock::TimePoint earliest, double seconds) {
  busy_seconds_ += seconds;
  free_at_ = std::max(free_at_, earliest) + std::chrono::nanoseconds(std::llround(seconds * 1e9));
  return free_at_;
}

}  // namespace shoal::simulation
