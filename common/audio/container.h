// What kind of audio file some bytes are, and whether they are cut short, from the container's
// outermost structure alone: nothing is decoded and nothing is allocated. A decoder only gets to
// see files that pass.
#ifndef SHOAL_COMMON_AUDIO_CONTAINER_H_
#define SHOAL_COMMON_AUDIO_CONTAINER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::audio {

enum class Container { kWav, kFlac, kOgg, kMp3 };

// INVALID_ARGUMENT says what was found and what was expected: an unknown kind, a WAV that is not
// PCM, float, A-law or mu-law, a chunk or page that reaches beyond the end.
absl::StatusOr<Container> InspectContainer(absl::string_view file);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_CONTAINER_H_
