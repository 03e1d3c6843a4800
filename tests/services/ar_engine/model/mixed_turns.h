// Turns that have little in common but, some of them, their beginning: for batches that mix
// everything a request may ask for.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_MIXED_TURNS_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_MIXED_TURNS_H_

#include <cstdint>
#include <vector>

#include "common/checkpoint/model_config.h"
#include "services/ar_engine/policy/sampler.h"
#include "tests/services/ar_engine/model/generation.h"

namespace shoal::engine {

// Every value of every setting occurs among any 12 consecutive `which`.
SamplingParams MixedSampling(uint64_t which);

// 14 turns, each with sampling settings of its own. Four begin alike for 50 positions, four others
// for 90; none is longer than 130.
std::vector<TestSequence> MixedTurns(const checkpoint::ModelConfig& config, uint64_t seed);

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_MIXED_TURNS_H_
