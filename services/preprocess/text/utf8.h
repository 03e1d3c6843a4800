// UTF-8 for text that comes from outside: where it is broken, and its code points one by one.
//
// Free functions without state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_UTF8_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_UTF8_H_

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"

namespace shoal::preprocess {

// The offset of the first byte that starts no valid sequence (overlong forms, surrogates, values
// past U+10FFFF and sequences cut off by the end included), or nothing when all of `text` is valid.
std::optional<size_t> FindInvalidUtf8(absl::string_view text);

// How many bytes at the end of `text` begin a sequence that the bytes to come may complete: 0..3.
size_t IncompleteUtf8Suffix(absl::string_view text);

struct CodePoint {
  char32_t value;
  size_t length;  // in bytes, 1..4
};

// REQUIRES: `text` is valid UTF-8 and `offset` is the start of a character in it.
CodePoint DecodeUtf8(absl::string_view text, size_t offset);

// The start of the character that ends right before `offset`.
// REQUIRES: as above, and offset > 0.
size_t PreviousUtf8(absl::string_view text, size_t offset);

// White space as the model's authors strip it: Unicode White_Space and U+001C..U+001F.
bool IsWhiteSpace(char32_t c);

// `text` without white space at either end.
absl::string_view StripWhiteSpace(absl::string_view text);
absl::string_view StripLeadingWhiteSpace(absl::string_view text);
absl::string_view StripTrailingWhiteSpace(absl::string_view text);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_UTF8_H_
