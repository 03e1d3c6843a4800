// How much memory this process has, for tests of what must not grow.
#ifndef SHOAL_TESTS_SERVICES_VOCODER_RESIDENT_MEMORY_H_
#define SHOAL_TESTS_SERVICES_VOCODER_RESIDENT_MEMORY_H_

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>

namespace shoal::vocoder {

// Bytes resident, after the allocator has given back what it can.
inline int64_t ResidentBytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace shoal::vocoder

#endif  // SHOAL_TESTS_SERVICES_VOCODER_RESIDENT_MEMORY_H_
