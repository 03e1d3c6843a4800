// An uploaded recording, decoded from memory to mono float32. The bytes come from anybody: what a
// file may cost is bounded before and while it is decoded, never afterwards. Any thread; no state.
#ifndef SHOAL_COMMON_AUDIO_RECORDING_H_
#define SHOAL_COMMON_AUDIO_RECORDING_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/audio/level_meter.h"

namespace shoal::audio {

struct RecordingLimits {
  size_t max_bytes = 16 << 20;  // of the file
  double max_seconds = 60;      // decoded
  int max_channels = 8;
  int min_sample_rate = 8000;
  int max_sample_rate = 192000;
};

struct Recording {
  std::vector<float> samples;  // mono, the mean of the channels; never empty, all finite
  int sample_rate = 0;
  Level level;  // as recorded
};

// WAV (PCM, float, A-law, mu-law), FLAC, OGG (Vorbis, Opus) or MP3.
//
// INVALID_ARGUMENT, saying what was found and what was expected: another kind of file, one that is
// cut short or damaged, one over a limit, one without a sample. Memory never passes the file, plus
// the samples of `max_seconds`, plus what a decoder needs for one block, whatever the file claims:
// decoding stops at the limit. An MP3 stream has no declared length, so a cut one is a shorter one.
absl::StatusOr<Recording> DecodeRecording(absl::string_view file, const RecordingLimits& limits);

// Changes when the samples that a file becomes, here and in Resample, may have changed: for keeping
// what was made of them.
std::string DecodingVersion();

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_RECORDING_H_
