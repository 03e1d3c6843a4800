// Speed of the engine's model: products, prefill and frames by batch.
#ifndef SHOAL_TESTS_BENCH_MODEL_STEPS_H_
#define SHOAL_TESTS_BENCH_MODEL_STEPS_H_

#include <string>

#include "common/checkpoint/checkpoint.h"

namespace shoal::bench {

// y = x W^T, packed (bf16 and float32 weights) and by ATen.
void BenchProducts();

// A step of every batch size next to as many steps of one sequence, and prefill.
void BenchModel(const std::string& name, const checkpoint::Checkpoint& checkpoint);

// The same steps in both product modes, in turn.
void BenchModes(const std::string& name, const checkpoint::Checkpoint& checkpoint);

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_MODEL_STEPS_H_
