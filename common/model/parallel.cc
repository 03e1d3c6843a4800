#include "common/model/parallel.h"

#include <ATen/Parallel.h>

namespace shoal::model {

void ParallelFor(int64_t n, int64_t grain, absl::FunctionRef<void(int64_t, int64_t)> body) {
  at::parallel_for(0, n, grain, body);
}

}  // namespace shoal::model
