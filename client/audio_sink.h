// Where spoken audio goes: a WAV file, or raw int16 to an output that something else reads. Used by
// one thread.
#ifndef SHOAL_CLIENT_AUDIO_SINK_H_
#define SHOAL_CLIENT_AUDIO_SINK_H_

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/audio/wav_file.h"

namespace shoal::client {

class AudioSink {
 public:
  // Writes a WAV file to `path`; empty or "-": raw samples to `output`.
  AudioSink(std::string path, std::FILE* output);

  // Before the first Write: the rate is known.
  absl::Status Open(uint32_t sample_rate);
  absl::Status Write(absl::string_view linear16);
  // What was written is complete. Nothing happens when it was not opened.
  absl::Status Close();

 private:
  const std::string path_;
  std::FILE* const output_;
  std::optional<audio::WavFileWriter> file_;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_AUDIO_SINK_H_
