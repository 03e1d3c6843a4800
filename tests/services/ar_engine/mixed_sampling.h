// Sampling settings that have little in common, for batches that mix them.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_MIXED_SAMPLING_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_MIXED_SAMPLING_H_

#include <cstdint>

#include "services/ar_engine/sampler.h"

namespace shoal::engine {

// Every value of every setting occurs among any 12 consecutive `which`.
inline SamplingParams MixedSampling(uint64_t which) {
  constexpr RasParams::Rule kRules[] = {RasParams::Rule::kOff, RasParams::Rule::kAuthors,
                                        RasParams::Rule::kWindow};
  constexpr float kTemperatures[] = {1.0f, 0.0f, 0.6f, 1.5f};
  constexpr float kTopP[] = {0.95f, 1.0f, 0.5f};
  constexpr int kTopK[] = {30, 0, 5, 1000};
  SamplingParams params;
  params.seed = 1000 + which;
  params.ras.rule = kRules[which % 3];
  params.ras.window = 2 + static_cast<int>(which % 7);
  params.ras.temperature = which % 4 < 2 ? 1.4f : 0.9f;
  params.ras.top_p = which % 2 == 0 ? 0.9f : 1.0f;
  params.temperature = kTemperatures[which % 4];
  params.top_p = kTopP[which / 2 % 3];
  params.top_k = kTopK[which / 3 % 4];
  params.repetition_penalty = which % 2 == 0 ? 1.0f : 1.3f;
  params.penalty_window = 1 + static_cast<int>(which % 12);
  params.residual_greedy = which % 4 == 3;
  params.filter_order = which % 2 == 0 ? FilterOrder::kTopKFirst : FilterOrder::kFullSoftmax;
  params.round_logits_to_bf16 = which % 5 == 0;
  return params;
}

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_MIXED_SAMPLING_H_
