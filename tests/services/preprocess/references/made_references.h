// Encoded references for tests, each a function of its number: whatever comes back can be checked.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_MADE_REFERENCES_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_MADE_REFERENCES_H_

#include <string>

#include "services/preprocess/references/encoded_reference.h"
#include "tests/services/preprocess/references/fake_sizes.h"

namespace shoal::testing {

inline std::string MadeKey(int number) {
  return preprocess::Sha256("recording " + std::to_string(number));
}

// `frames` frames of kCodebooks codes.
inline preprocess::EncodedReference MadeReference(int number, int64_t frames = 100) {
  preprocess::EncodedReference reference;
  reference.codes.frames = frames;
  uint32_t state = static_cast<uint32_t>(number);
  for (int64_t i = 0; i < frames * kCodebooks; ++i) {
    state = state * 1664525 + 1013904223;
    reference.codes.values.push_back(static_cast<int32_t>(state >> 20));
  }
  reference.seconds = 0.02 * static_cast<double>(frames);
  if (number % 3 == 0) reference.warnings = {"REFERENCE_CLIPPED", "REFERENCE_QUIET"};
  return reference;
}

inline bool Same(const preprocess::EncodedReference& a, const preprocess::EncodedReference& b) {
  return a.codes.frames == b.codes.frames && a.codes.values == b.codes.values &&
         a.warnings == b.warnings && a.seconds == b.seconds;
}

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_MADE_REFERENCES_H_
