// What kind of audio file some bytes are, what they say of themselves, and whether they are cut
// short, from the container's outermost structure and headers alone: nothing is decoded, and
// nothing is allocated but a copy of an OGG stream's headers. A decoder only gets to see files that
// pass.
#ifndef SHOAL_COMMON_AUDIO_CONTAINER_H_
#define SHOAL_COMMON_AUDIO_CONTAINER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::audio {

enum class Container { kWav, kFlac, kOgg, kMp3 };

// What a file's header claims, true or not; 0: it does not say.
struct ContainerFacts {
  Container kind = Container::kWav;
  int64_t channels = 0;
  int64_t sample_rate = 0;  // Hz
  int64_t frames = 0;       // samples of every channel
};

// INVALID_ARGUMENT says what was found and what was expected: an unknown kind, a WAV that is not
// PCM, float, A-law or mu-law, a chunk or page that reaches beyond the end.
absl::StatusOr<ContainerFacts> InspectContainer(absl::string_view file);

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_CONTAINER_H_
