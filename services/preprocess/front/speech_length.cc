#include "services/preprocess/front/speech_length.h"

#include <algorithm>
#include <cmath>

#include "services/preprocess/text/turns.h"

namespace shoal::preprocess {
namespace {

constexpr double kMostFrames = 1 << 30;

}  // namespace

int64_t SpokenBytes(absl::string_view text) {
  int64_t bytes = 0;
  while (!text.empty()) {
    const size_t tag = text[0] == '<' ? SpeakerTagLength(text) : 0;
    if (tag == 0) ++bytes;
    text.remove_prefix(std::max<size_t>(tag, 1));
  }
  return bytes;
}

uint32_t RunawayFrames(const SpeechLengthLimits& limits, absl::string_view text,
                       double frame_seconds) {
  if (limits.most_seconds_per_byte <= 0) return 0;
  const double seconds = limits.most_seconds_per_byte * static_cast<double>(SpokenBytes(text)) +
                         limits.most_extra_seconds;
  return static_cast<uint32_t>(std::clamp(std::ceil(seconds / frame_seconds), 1.0, kMostFrames));
}

bool TooShort(const SpeechLengthLimits& limits, absl::string_view text, double seconds) {
  const int64_t bytes = SpokenBytes(text);
  return bytes > limits.least_bytes &&
         seconds < limits.least_seconds_per_byte * static_cast<double>(bytes);
}

}  // namespace shoal::preprocess
