#include "client/text_source.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

namespace shoal::client {

size_t UnfinishedCharacter(absl::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;  // inside a character
    const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

TextSource::TextSource(int descriptor)
    : descriptor_(descriptor), stop_(eventfd(0, EFD_CLOEXEC)), interactive_(isatty(descriptor)) {}

TextSource::TextSource(std::string text)
    : descriptor_(-1), stop_(eventfd(0, EFD_CLOEXEC)), pending_(std::move(text)) {}

TextSource::~TextSource() { close(stop_); }

void TextSource::Stop() {
  const uint64_t one = 1;
  // An eventfd takes eight bytes or, when it holds 2^64 - 1 of them already, none.
  [[maybe_unused]] const ssize_t written = write(stop_, &one, sizeof(one));
}

std::optional<std::string> TextSource::Next() {
  if (descriptor_ < 0) ended_ = true;
  while (!ended_) {
    pollfd polls[] = {{descriptor_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (poll(polls, 2, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (polls[1].revents != 0) return std::nullopt;
    char block[4096];
    const ssize_t got = read(descriptor_, block, sizeof(block));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    pending_.append(block, static_cast<size_t>(got));
    const size_t keep = UnfinishedCharacter(pending_);
    if (keep == pending_.size()) continue;
    std::string piece = pending_.substr(0, pending_.size() - keep);
    pending_.erase(0, piece.size());
    return piece;
  }
  ended_ = true;
  if (pending_.empty()) return std::nullopt;
  return std::exchange(pending_, "");
}

}  // namespace shoal::client
