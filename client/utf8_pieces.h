// Cuts a byte stream into pieces that end between two UTF-8 characters, so that each can be sent on
// its own. Owned by one thread. What is cut off stays here until its rest comes; all pieces
// together are the stream, byte for byte.
#ifndef SHOAL_CLIENT_UTF8_PIECES_H_
#define SHOAL_CLIENT_UTF8_PIECES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::client {

class Utf8Pieces {
 public:
  // The characters that `bytes` completed; may be empty. INVALID_ARGUMENT tells the offset, from
  // the stream's start, of the first byte that is not UTF-8; no other call may follow.
  absl::StatusOr<std::string> Add(absl::string_view bytes);

  // At the stream's end: INVALID_ARGUMENT if a character is incomplete.
  absl::Status Finish() const;

 private:
  std::string rest_;     // the beginning of a character, at most 3 bytes
  uint64_t passed_ = 0;  // bytes handed out so far
};

// INVALID_ARGUMENT unless `text` is UTF-8 from start to end.
absl::Status CheckUtf8(absl::string_view text);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_UTF8_PIECES_H_
