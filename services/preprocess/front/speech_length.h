// How long the speech of a text can be. Speech takes some 0.06 to 0.09 s per UTF-8 byte, in English
// and in Chinese alike; a turn that is many times longer babbles, one that is many times shorter
// has lost its text. Free functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_LENGTH_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_LENGTH_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace shoal::preprocess {

struct SpeechLengthLimits {
  // No text of n bytes is spoken for longer than n * most_seconds_per_byte + most_extra_seconds:
  // digits and symbols are long when they are read out, tags of laughter take their time.
  double most_seconds_per_byte = 0.5;  // 0 = no limit
  double most_extra_seconds = 5;
  // Nor for less than n * least_seconds_per_byte, when it has more than least_bytes.
  double least_seconds_per_byte = 0.01;  // 0 = no limit
  int64_t least_bytes = 20;
};

// Bytes of `text` that can be heard: all but speaker tags.
int64_t SpokenBytes(absl::string_view text);

// The number of frames at which a turn is a runaway; 0 = never.
uint32_t RunawayFrames(const SpeechLengthLimits& limits, absl::string_view text,
                       double frame_seconds);

// Whether speech of `seconds` cannot hold the text.
bool TooShort(const SpeechLengthLimits& limits, absl::string_view text, double seconds);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SPEECH_LENGTH_H_
