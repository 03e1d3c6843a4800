// Any bytes as an uploaded recording: refused or decoded, within the limits, never more.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/audio/recording.h"
#include "common/audio/resampler.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::audio::RecordingLimits limits;
  limits.max_bytes = 1 << 16;
  limits.max_seconds = 0.5;
  const absl::string_view file(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<shoal::audio::Recording> recording =
      shoal::audio::DecodeRecording(file, limits);
  if (!recording.ok()) {
    if (recording.status().code() != absl::StatusCode::kInvalidArgument) std::abort();
    if (recording.status().message().empty()) std::abort();
    return 0;
  }
  if (recording->samples.empty()) std::abort();
  if (static_cast<double>(recording->samples.size()) > 0.5 * recording->sample_rate) std::abort();
  for (const float sample : recording->samples) {
    if (!std::isfinite(sample)) std::abort();
  }
  if (!shoal::audio::Resample(recording->samples, recording->sample_rate, 24000).ok()) std::abort();
  return 0;
}
