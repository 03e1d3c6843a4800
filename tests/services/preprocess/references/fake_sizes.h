// Sizes of the model that the fakes and the small tokenizer agree on.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_SIZES_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_SIZES_H_

#include <cstdint>

namespace shoal::testing {

inline constexpr uint32_t kCodebooks = 2;
inline constexpr uint32_t kFrameLength = 480;
inline constexpr uint32_t kSampleRate = 24000;
inline constexpr uint32_t kMaxSeqLen = 4096;

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_SIZES_H_
