// Whether the headers of a Vorbis stream are safe to give to a decoder. libvorbis lets a header of
// a few bytes ask for codebooks of eight million entries, 256 times, and libsndfile 1.2 leaks what
// was read of a first header that turns out wrong. Free functions without state; any thread.
#ifndef SHOAL_COMMON_AUDIO_VORBIS_HEADERS_H_
#define SHOAL_COMMON_AUDIO_VORBIS_HEADERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace shoal::audio {

bool IsVorbisIdentification(absl::string_view packet);

// The first three packets of a stream: identification, comments, codebooks. INVALID_ARGUMENT says
// what is wrong. Every encoder stays far below the entries that are allowed.
absl::Status CheckVorbisHeaders(absl::Span<const std::string> packets);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_VORBIS_HEADERS_H_
