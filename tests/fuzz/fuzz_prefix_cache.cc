// Sequences that come and go over a prefix cache in any order: the cache does what the plain model
// does, down to the block that each eviction takes.
//
// The first byte chooses the size of the pool and the hash; every following byte is a choice.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/services/ar_engine/policy/prefix_workload.h"

namespace shoal::engine {
namespace {

void Require(const std::string& wrong) {
  if (wrong.empty()) return;
  std::fprintf(stderr, "%s\n", wrong.c_str());
  __builtin_trap();
}

void RunOne(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return;
  size_t next = 1;
  const auto choose = [&](uint32_t n) -> uint32_t { return next < size ? data[next++] % n : 0; };
  PrefixWorkload workload(
      {.blocks = 1 + data[0] % 32, .max_pinned = data[0] % 8, .constant_hash = data[0] >= 128},
      choose);
  while (next < size) Require(workload.Step());
  Require(workload.Finish());
}

}  // namespace
}  // namespace shoal::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::engine::RunOne(data, size);
  return 0;
}
