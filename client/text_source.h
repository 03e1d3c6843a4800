// The text to speak, in pieces as it becomes known: all at once from the command line, or from a
// file descriptor as it is typed or piped. Pieces end between two characters.
//
// One thread takes pieces; Stop may be called from another thread and ends a wait.
#ifndef SHOAL_CLIENT_TEXT_SOURCE_H_
#define SHOAL_CLIENT_TEXT_SOURCE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/utf8_pieces.h"

namespace shoal::client {

class TextSource {
 public:
  // Reads `descriptor`, which must stay open, until its end.
  explicit TextSource(int descriptor);
  // Gives `text`, which is UTF-8, once.
  explicit TextSource(std::string text);
  ~TextSource();
  TextSource(const TextSource&) = delete;
  TextSource& operator=(const TextSource&) = delete;

  // Never empty when the text is read. Nothing: the text is over, or Stop was called.
  // INVALID_ARGUMENT: it is not UTF-8; no other call may follow an error.
  absl::StatusOr<std::optional<std::string>> Next();
  void Stop();

  // Somebody types: each line is to be spoken when it is entered.
  bool interactive() const { return interactive_; }

 private:
  const int descriptor_;  // -1: the text is given
  const int stop_;        // eventfd
  bool interactive_ = false;
  std::optional<std::string> given_;
  Utf8Pieces pieces_;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_TEXT_SOURCE_H_
