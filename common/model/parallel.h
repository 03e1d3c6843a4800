// Loops over the intra-op threads that ATen was given (at::set_num_threads).
//
// at::parallel_for is a serial loop in a source that is not compiled for OpenMP; this is the one
// source that is. Call from the thread that owns the model; inside a parallel loop it runs
// serially.
#ifndef SHOAL_COMMON_MODEL_PARALLEL_H_
#define SHOAL_COMMON_MODEL_PARALLEL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace shoal::model {

// Calls body(first, last) for ranges that together are [0, n). Runs on the calling thread alone
// when n <= grain.
void ParallelFor(int64_t n, int64_t grain, absl::FunctionRef<void(int64_t, int64_t)> body);

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_PARALLEL_H_
