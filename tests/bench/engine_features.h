// What the engine costs outside the model, and what its features bring: each next to the same
// requests served without it.
#ifndef SHOAL_TESTS_BENCH_ENGINE_FEATURES_H_
#define SHOAL_TESTS_BENCH_ENGINE_FEATURES_H_

#include <string>

#include "common/checkpoint/checkpoint.h"

namespace shoal::bench {

void BenchFeatures(const std::string& name, const checkpoint::Checkpoint& checkpoint);

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_ENGINE_FEATURES_H_
