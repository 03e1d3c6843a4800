#include "client/wav_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/audio/wav_file.h"

namespace shoal::client {

absl::StatusOr<WavOutput> WavOutput::Create(const std::string& path) {
  const auto cannot = [&path] {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  };
  struct stat found;
  const bool exists = stat(path.c_str(), &found) == 0;
  if (exists && !S_ISREG(found.st_mode)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return cannot();
    WavOutput output(fd, path);
    output.owned_ = true;
    return output;
  }
  // Through symbolic links: the file is replaced, not the link to it.
  const std::string target = exists ? std::filesystem::canonical(path).string() : path;
  if (exists && access(target.c_str(), W_OK) != 0) return cannot();
  const std::string temporary = absl::StrCat(target, ".part-", getpid());
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return cannot();
  WavOutput output(fd, path);
  output.owned_ = true;
  output.final_path_ = target;
  output.temporary_path_ = temporary;
  return output;
}

WavOutput WavOutput::To(int fd, const std::string& name) { return WavOutput(fd, name); }

WavOutput::WavOutput(WavOutput&& other) noexcept
    : fd_(other.fd_),
      owned_(std::exchange(other.owned_, false)),
      name_(std::move(other.name_)),
      final_path_(std::move(other.final_path_)),
      temporary_path_(std::exchange(other.temporary_path_, {})),
      sample_rate_(other.sample_rate_),
      header_at_(other.header_at_),
      data_bytes_(other.data_bytes_) {}

WavOutput::~WavOutput() {
  if (owned_) close(fd_);
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
}

absl::Status WavOutput::Failed(absl::string_view doing) const {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", doing, " ", name_));
}

absl::Status WavOutput::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed("write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status WavOutput::Begin(uint32_t sample_rate) {
  sample_rate_ = sample_rate;
  struct stat found;
  const bool regular = fstat(fd_, &found) == 0 && S_ISREG(found.st_mode);
  // With O_APPEND every write goes to the end, the second header's too.
  if (regular && (fcntl(fd_, F_GETFL) & O_APPEND) == 0) header_at_ = lseek(fd_, 0, SEEK_CUR);
  return Write(audio::WavHeader(sample_rate, std::nullopt));
}

absl::Status WavOutput::Append(absl::string_view bytes) {
  absl::Status status = Write(bytes);
  if (status.ok()) data_bytes_ += bytes.size();
  return status;
}

absl::Status WavOutput::Finish() {
  if (header_at_) {
    const std::string header = audio::WavHeader(sample_rate_, data_bytes_);
    const ssize_t count = pwrite(fd_, header.data(), header.size(), *header_at_);
    if (count != static_cast<ssize_t>(header.size())) return Failed("write");
  }
  // The last chance to hear that the data could not be stored.
  if (owned_ && close(std::exchange(fd_, -1)) != 0) {
    owned_ = false;
    return Failed("write");
  }
  owned_ = false;
  if (temporary_path_.empty()) return absl::OkStatus();
  if (rename(temporary_path_.c_str(), final_path_.c_str()) != 0) return Failed("create");
  temporary_path_.clear();
  return absl::OkStatus();
}

}  // namespace shoal::client
