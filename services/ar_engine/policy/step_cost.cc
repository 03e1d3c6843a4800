#include "services/ar_engine/policy/step_cost.h"

#include <algorithm>

namespace shoal::engine {
namespace {

// So many of each cost about as much as a step's fixed part; only the speed of learning depends on
// it.
constexpr double kRows = 8, kPositions = 64;
// Of a step's error. A new load is learned within some ten steps, one slow step moves little.
constexpr double kRate = 0.2;

}  // namespace

StepCost::Parts StepCost::PartsOf(int rows, int prompt_positions) {
  return {1, rows / kRows, prompt_positions / kPositions};
}

double StepCost::Seconds(int rows, int prompt_positions) const {
  const Parts parts = PartsOf(rows, prompt_positions);
  return weights_[0] * parts[0] + weights_[1] * parts[1] + weights_[2] * parts[2];
}

double StepCost::PromptSeconds(int prompt_positions) const {
  return weights_[2] / kPositions * prompt_positions;
}

int StepCost::PromptPositions(double seconds, int most) const {
  const double all = PromptSeconds(most);
  return all <= seconds ? most : std::max(0, static_cast<int>(most * (seconds / all)));
}

int StepCost::Rows(double seconds, int most) const {
  const double all = weights_[1] / kRows * most;
  return all < seconds ? most : all == 0 ? 0 : static_cast<int>(most * (seconds / all));
}

void StepCost::Learn(int rows, int prompt_positions, double seconds) {
  const Parts parts = PartsOf(rows, prompt_positions);
  const double error = seconds - Seconds(rows, prompt_positions);
  const double size = parts[0] * parts[0] + parts[1] * parts[1] + parts[2] * parts[2];
  for (size_t i = 0; i < parts.size(); ++i) {
    weights_[i] = std::max(0.0, weights_[i] + kRate * error * parts[i] / size);
  }
}

}  // namespace shoal::engine
