// A voice's recording as codes. The codec's encoder is the real one; tests have their own.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_ENCODER_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_ENCODER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
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
  // Called now and then with the share done, above 0 to 1; false ends the encoding. A second or two
  // of audio lies between two calls.
  using Watch = absl::FunctionRef<bool(double done)>;

  virtual ~ReferenceEncoder() = default;

  virtual int sample_rate() const = 0;  // Hz, of what Encode takes
  virtual int num_codebooks() const = 0;
  // Encoders of one identity make the same codes of the same samples.
  virtual std::string identity() const = 0;

  // `samples` are mono, in [-1, 1], at least one. Takes long. Never throws. CANCELLED when `watch`
  // ended it.
  virtual absl::StatusOr<Codes> Encode(absl::Span<const float> samples, Watch watch) const = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_ENCODER_H_
