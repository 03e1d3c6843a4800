#include "services/ar_engine/service/test_gate.h"

#include <unistd.h>

#include <utility>

namespace shoal::engine {

TestGate::TestGate(Options options) : options_(std::move(options)), open_(options_.frame < 0) {}

void TestGate::Look() { open_ = open_ || access(options_.file.c_str(), F_OK) == 0; }

bool TestGate::Holds(const Sequence& sequence) const {
  return !open_ && sequence.frames() == static_cast<uint32_t>(options_.frame);
}

}  // namespace shoal::engine
