// StepCost: what a step of the model costs, learned from the steps that were run:
//   seconds = base + rows * per_row + prompt positions * per_position.
// Three weights, none below 0, corrected by a part of each step's error in proportion to what that
// step had of each. Knows nothing before the first step.
//
// Owned by the Scheduler; model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_STEP_COST_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_STEP_COST_H_

#include <array>

namespace shoal::engine {

class StepCost {
 public:
  // Of a step with so many rows, and positions of prompts beyond one a row.
  double Seconds(int rows, int prompt_positions) const;
  // Of so many more positions in a step that runs anyway.
  double PromptSeconds(int prompt_positions) const;
  // The positions that PromptSeconds says fit into `seconds`; at most `most`.
  int PromptPositions(double seconds, int most) const;

  // The rows more that fit into `seconds` more; at most `most`, none before the first step.
  int Rows(double seconds, int most) const;

  void Learn(int rows, int prompt_positions, double seconds);

 private:
  using Parts = std::array<double, 3>;
  static Parts PartsOf(int rows, int prompt_positions);

  Parts weights_ = {};
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_STEP_COST_H_
