// Audio files made in memory for tests, in every format that libsndfile writes.
#ifndef SHOAL_TESTS_COMMON_AUDIO_MAKE_RECORDING_H_
#define SHOAL_TESTS_COMMON_AUDIO_MAKE_RECORDING_H_

#include <string>
#include <vector>

#include "absl/types/span.h"

namespace shoal::testing {

// `format` as in SF_INFO. `frames` holds all channels, interleaved. Throws std::runtime_error.
std::string MakeRecording(int format, int channels, int sample_rate,
                          absl::Span<const float> frames);

// Zeros, which are never in memory as samples.
std::string MakeSilence(int format, int channels, int sample_rate, double seconds);

// A 220 Hz tone with overtones, peak about 0.5; every channel has the same.
std::vector<float> Tone(double seconds, int sample_rate, int channels = 1);

// Tone() as a 16-bit WAV file.
std::string ToneWav(double seconds, int sample_rate, int channels = 1);

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_COMMON_AUDIO_MAKE_RECORDING_H_
