#include "common/audio/sample_format.h"

#include <bit>
#include <cmath>

namespace shoal::audio {

int16_t ToInt16(float sample) {
  const float scaled = sample * 32768.0f;
  if (std::isnan(scaled)) return 0;
  if (scaled >= 32767.0f) return 32767;
  if (scaled <= -32768.0f) return -32768;
  return static_cast<int16_t>(std::lrintf(scaled));
}

void AppendLittleEndian(uint32_t value, int width, std::string* bytes) {
  for (int i = 0; i < width; ++i) bytes->push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}

void AppendInt16(absl::Span<const float> samples, std::string* bytes) {
  bytes->reserve(bytes->size() + 2 * samples.size());
  for (const float sample : samples) {
    AppendLittleEndian(static_cast<uint16_t>(ToInt16(sample)), 2, bytes);
  }
}

void AppendFloat32(absl::Span<const float> samples, std::string* bytes) {
  bytes->reserve(bytes->size() + 4 * samples.size());
  for (const float sample : samples) AppendLittleEndian(std::bit_cast<uint32_t>(sample), 4, bytes);
}

}  // namespace shoal::audio
