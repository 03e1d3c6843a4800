// Changes the sample rate of a mono stream. Owned by one thread. What comes out depends on the
// samples alone, never on how they were cut into pieces.
#ifndef SHOAL_COMMON_AUDIO_RESAMPLER_H_
#define SHOAL_COMMON_AUDIO_RESAMPLER_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

struct soxr;

namespace shoal::audio {

class Resampler {
 public:
  // Rates in Hz. Equal rates pass the samples through untouched.
  static absl::StatusOr<Resampler> Create(int from_rate, int to_rate);

  // Appends to `out` what is certain by now; the filter holds back some 20 ms.
  void Process(absl::Span<const float> samples, std::vector<float>* out);

  // Appends the rest: n samples in have become round(n * to_rate / from_rate) out. What is
  // processed next is a new signal.
  void Flush(std::vector<float>* out);

 private:
  struct Deleter {
    void operator()(soxr* state) const;
  };

  Resampler(soxr* state, double ratio) : state_(state), ratio_(ratio) {}

  std::unique_ptr<soxr, Deleter> state_;  // null: equal rates
  double ratio_;
};

// All of a signal at once.
absl::StatusOr<std::vector<float>> Resample(absl::Span<const float> samples, int from_rate,
                                            int to_rate);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_RESAMPLER_H_
