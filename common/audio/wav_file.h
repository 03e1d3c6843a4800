// WAV files of mono int16: a header on its own, and a writer that lets a file grow and keeps it
// readable by fixing the sizes at the end.
#ifndef SHOAL_COMMON_AUDIO_WAV_FILE_H_
#define SHOAL_COMMON_AUDIO_WAV_FILE_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::audio {

inline constexpr int kWavHeaderBytes = 44;

// The header before `data_bytes` bytes of samples. Unknown, or beyond what 32 bits can say: both
// sizes are 0xFFFFFFFF, which players take as "until the end".
std::string WavHeader(uint32_t sample_rate, std::optional<uint64_t> data_bytes);

// Owned by one thread. The file holds a streamed header until Close() writes the true sizes.
class WavFileWriter {
 public:
  // Creates or replaces `path`.
  static absl::StatusOr<WavFileWriter> Open(const std::string& path, uint32_t sample_rate);

  // Appends int16 samples, little-endian.
  absl::Status Append(absl::string_view bytes);

  // No other call may follow.
  absl::Status Close();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  WavFileWriter(std::string path, uint32_t sample_rate, std::FILE* file)
      : path_(std::move(path)), sample_rate_(sample_rate), file_(file) {}

  std::string path_;
  uint32_t sample_rate_;
  std::unique_ptr<std::FILE, Closer> file_;
  uint64_t data_bytes_ = 0;
};

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_WAV_FILE_H_
