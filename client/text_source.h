// The text to speak, in pieces as it becomes known: all at once from the command line, or from a
// file descriptor as it is typed or piped. Pieces end between two characters.
//
// Next blocks; Stop may be called from another thread and ends it.
#ifndef SHOAL_CLIENT_TEXT_SOURCE_H_
#define SHOAL_CLIENT_TEXT_SOURCE_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace shoal::client {

// Bytes at the end of `text` that begin a UTF-8 character whose rest may still come: 0 to 3.
size_t UnfinishedCharacter(absl::string_view text);

class TextSource {
 public:
  // Reads `descriptor`, which must stay open, until its end.
  explicit TextSource(int descriptor);
  // Gives `text` once.
  explicit TextSource(std::string text);
  ~TextSource();
  TextSource(const TextSource&) = delete;
  TextSource& operator=(const TextSource&) = delete;

  // Never empty. Nothing: the text is over, or Stop was called.
  std::optional<std::string> Next();
  void Stop();

  // Somebody types: each line is to be spoken when it is entered.
  bool interactive() const { return interactive_; }

 private:
  const int descriptor_;  // -1: the text is given
  const int stop_;        // eventfd
  bool interactive_ = false;
  std::string pending_;  // given text, or the beginning of a character
  bool ended_ = false;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_TEXT_SOURCE_H_
