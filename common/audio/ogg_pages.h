// The outer structure of an OGG file: pages, each with a checksum and a number. Free functions
// without state; any thread.
#ifndef SHOAL_COMMON_AUDIO_OGG_PAGES_H_
#define SHOAL_COMMON_AUDIO_OGG_PAGES_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::audio {

// What the stream's first header claims.
struct OggFacts {
  int64_t channels = 0;
  int64_t sample_rate = 0;  // Hz; 0 for Opus, which is decoded at any
};

// INVALID_ARGUMENT, saying where and what, unless the file is one stream of Vorbis or Opus whose
// pages are whole, undamaged and in order, with headers that a decoder can be given.
absl::StatusOr<OggFacts> CheckOgg(absl::string_view file);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_OGG_PAGES_H_
