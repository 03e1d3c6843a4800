#include "services/ar_engine/openmp_environment.h"

#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace shoal::engine {

void SetOpenMpEnvironment(char* const* argv, int threads) {
  const std::string wanted = std::to_string(threads);
  const char* present = getenv("OMP_NUM_THREADS");
  const bool threads_set = present != nullptr && wanted == present;
  const bool policy_set = getenv("OMP_WAIT_POLICY") != nullptr;
  if (threads_set && policy_set) return;
  setenv("OMP_NUM_THREADS", wanted.c_str(), 1);
  setenv("OMP_WAIT_POLICY", "PASSIVE", 0);
  // Both are set now, so the program does not come here again. Where it cannot be started again,
  // it works all the same, at a higher cost to its neighbours.
  execv("/proc/self/exe", argv);
}

}  // namespace shoal::engine
