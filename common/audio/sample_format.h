// Samples as bytes: what float32 audio becomes on its way to a client.
// Free functions without state; any thread. Output is little-endian whatever the machine.
#ifndef SHOAL_COMMON_AUDIO_SAMPLE_FORMAT_H_
#define SHOAL_COMMON_AUDIO_SAMPLE_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace shoal::audio {

// The nearest of 65536 steps of 1/32768; beyond [-1, 1) the outermost one. NaN becomes 0.
int16_t ToInt16(float sample);

void AppendInt16(absl::Span<const float> samples, std::string* bytes);
void AppendFloat32(absl::Span<const float> samples, std::string* bytes);

// Appends the low `width` bytes of `value`, least significant first.
void AppendLittleEndian(uint32_t value, int width, std::string* bytes);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_SAMPLE_FORMAT_H_
