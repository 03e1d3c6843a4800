#include "client/text_source.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace shoal::client {

TextSource::TextSource(int descriptor)
    : descriptor_(descriptor), stop_(eventfd(0, EFD_CLOEXEC)), interactive_(isatty(descriptor)) {}

TextSource::TextSource(std::string text)
    : descriptor_(-1), stop_(eventfd(0, EFD_CLOEXEC)), given_(std::move(text)) {}

TextSource::~TextSource() { close(stop_); }

void TextSource::Stop() {
  const uint64_t one = 1;
  // An eventfd takes eight bytes or, when it holds 2^64 - 1 of them already, none.
  [[maybe_unused]] const ssize_t written = write(stop_, &one, sizeof(one));
}

absl::StatusOr<std::optional<std::string>> TextSource::Next() {
  if (descriptor_ < 0) return std::exchange(given_, std::nullopt);
  for (;;) {
    pollfd polls[] = {{descriptor_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(polls, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "cannot wait for text");
    }
    if (polls[1].revents != 0) return std::nullopt;
    char block[4096];
    const ssize_t got = read(descriptor_, block, sizeof(block));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot read the text");
    if (got == 0) {
      if (absl::Status status = pieces_.Finish(); !status.ok()) return status;
      return std::nullopt;
    }
    absl::StatusOr<std::string> piece =
        pieces_.Add(absl::string_view(block, static_cast<size_t>(got)));
    if (!piece.ok()) return piece.status();
    if (!piece->empty()) return std::optional<std::string>(*std::move(piece));
  }
}

}  // namespace shoal::client
