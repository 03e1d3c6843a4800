// TestGate: holds every sequence before it draws frame N until a file exists, so that a test can
// bring the pipeline to a known point. Behind flags that only tests set; see Engine::Options::hold.
// Used by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_TEST_GATE_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_TEST_GATE_H_

#include <cstdint>
#include <string>

#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

class TestGate {
 public:
  struct Options {
    int frame = -1;    // 0-based; negative: no gate
    std::string file;  // opens the gate
  };

  explicit TestGate(Options options);

  // Looks for the file. Once a step, so that all sequences of a step see the same.
  void Look();
  bool Holds(const Sequence& sequence) const;

 private:
  const Options options_;
  bool open_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_TEST_GATE_H_
