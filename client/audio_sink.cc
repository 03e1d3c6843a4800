#include "client/audio_sink.h"

#include <cerrno>
#include <utility>

namespace shoal::client {

AudioSink::AudioSink(std::string path, std::FILE* output)
    : path_(path == "-" ? "" : std::move(path)), output_(output) {}

absl::Status AudioSink::Open(uint32_t sample_rate) {
  if (path_.empty()) return absl::OkStatus();
  absl::StatusOr<audio::WavFileWriter> file = audio::WavFileWriter::Open(path_, sample_rate);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  return absl::OkStatus();
}

absl::Status AudioSink::Write(absl::string_view linear16) {
  if (file_) return file_->Append(linear16);
  // Flushed at once: whoever reads it plays it.
  if (std::fwrite(linear16.data(), 1, linear16.size(), output_) != linear16.size() ||
      std::fflush(output_) != 0) {
    return absl::ErrnoToStatus(errno, "cannot write to the standard output");
  }
  return absl::OkStatus();
}

absl::Status AudioSink::Close() {
  if (!file_) return absl::OkStatus();
  const absl::Status status = file_->Close();
  file_.reset();
  return status;
}

}  // namespace shoal::client
