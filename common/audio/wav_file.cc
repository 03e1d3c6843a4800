#include "common/audio/wav_file.h"

#include <cerrno>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audio/sample_format.h"

namespace shoal::audio {
namespace {

absl::Status FileError(absl::string_view doing, const std::string& path) {
  return absl::ErrnoToStatus(errno, absl::StrCat(doing, " ", path));
}

}  // namespace

std::string WavHeader(uint32_t sample_rate, std::optional<uint64_t> data_bytes) {
  constexpr uint32_t kUnknown = std::numeric_limits<uint32_t>::max();
  constexpr uint32_t kAfterRiffSize = kWavHeaderBytes - 8;
  const bool known = data_bytes.has_value() && *data_bytes < kUnknown - kAfterRiffSize;
  const uint32_t data_size = known ? static_cast<uint32_t>(*data_bytes) : kUnknown;
  constexpr int kPcm = 1, kChannels = 1, kBytesPerSample = 2;

  std::string header = "RIFF";
  AppendLittleEndian(known ? data_size + kAfterRiffSize : kUnknown, 4, &header);
  header += "WAVEfmt ";
  AppendLittleEndian(16, 4, &header);
  AppendLittleEndian(kPcm, 2, &header);
  AppendLittleEndian(kChannels, 2, &header);
  AppendLittleEndian(sample_rate, 4, &header);
  AppendLittleEndian(sample_rate * kChannels * kBytesPerSample, 4, &header);
  AppendLittleEndian(kChannels * kBytesPerSample, 2, &header);
  AppendLittleEndian(8 * kBytesPerSample, 2, &header);
  header += "data";
  AppendLittleEndian(data_size, 4, &header);
  return header;
}

absl::StatusOr<WavFileWriter> WavFileWriter::Open(const std::string& path, uint32_t sample_rate) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return FileError("cannot create", path);
  WavFileWriter writer(path, sample_rate, file);
  const std::string header = WavHeader(sample_rate, std::nullopt);
  if (std::fwrite(header.data(), 1, header.size(), file) != header.size()) {
    return FileError("cannot write", path);
  }
  return writer;
}

absl::Status WavFileWriter::Append(absl::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return FileError("cannot write", path_);
  }
  data_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status WavFileWriter::Close() {
  const std::string header = WavHeader(sample_rate_, data_bytes_);
  // A pipe or a device cannot be rewound and keeps its streamed header.
  if (std::fseek(file_.get(), 0, SEEK_SET) == 0) {
    if (std::fwrite(header.data(), 1, header.size(), file_.get()) != header.size()) {
      return FileError("cannot write", path_);
    }
  }
  if (std::fclose(file_.release()) != 0) return FileError("cannot write", path_);
  return absl::OkStatus();
}

}  // namespace shoal::audio
