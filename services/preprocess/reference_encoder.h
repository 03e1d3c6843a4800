// A voice's recording as codes. The codec's encoder is the real one; tests have their own.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCE_ENCODER_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCE_ENCODER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::preprocess {

struct Codes {
  std::vector<int32_t> values;  // (num_codebooks, frames) row-major
  int64_t frames = 0;
};

// Any number of threads may call at the same time.
class ReferenceEncoder {
 public:
  virtual ~ReferenceEncoder() = default;

  virtual int sample_rate() const = 0;  // Hz, of what Encode takes

  // `samples` are mono, in [-1, 1], at least one. Takes long. Never throws.
  virtual absl::StatusOr<Codes> Encode(absl::Span<const float> samples) const = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCE_ENCODER_H_
