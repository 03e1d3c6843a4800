#include "common/service/openmp_waiting.h"

#include <stdlib.h>
#include <unistd.h>

namespace shoal::service {

void WaitPassively(char** argv) {
  constexpr char kVariable[] = "OMP_WAIT_POLICY";
  if (getenv(kVariable) != nullptr) return;
  setenv(kVariable, "PASSIVE", /*overwrite=*/1);
  execv("/proc/self/exe", argv);
  // Only returns when it failed: slower, not wrong.
}

}  // namespace shoal::service
