// Where a text may be cut, best places first: sentence ends, clause ends, white space.
//
// A BoundaryFinder is fed one text character by character, by one thread, and never looks ahead: a
// place is found when the first character after it (and after white space) is fed.
//
// - A sentence ends after `.`, `!`, `?`, an ellipsis, with the closing quotes and brackets that
//   follow, when white space follows and then no lower-case letter; after `.` not when it ends an
//   abbreviation, an initial, or a number of one or two digits (an ordinal, a list's number).
// - It ends after any other script's terminator (Unicode Sentence_Terminal: 。！？ ؟ ۔ । ።),
//   and at a blank line.
// - A clause ends after `,` `;` `:` before white space, after a dash or another script's comma, at
// a
//   line break, and where a sentence's end was in doubt.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_BOUNDARIES_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_BOUNDARIES_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace shoal::preprocess {

class BoundaryFinder {
 public:
  // `c` stands at text[offset, offset + length). What is never cut is fed as its first character.
  // REQUIRES: offsets grow, and text[0, offset) is what was fed so far.
  void Feed(absl::string_view text, size_t offset, size_t length, char32_t c);

  // The last place of each kind, as an offset right behind a character that is not white space;
  // 0 when there is none.
  size_t sentence() const { return sentence_; }
  size_t clause() const { return clause_; }
  size_t white_space() const { return white_space_; }

 private:
  // What the last characters before this one, closing quotes aside, were.
  enum class Mark { kNone, kPoint, kSoftEnd, kHardEnd, kComma, kHardComma };

  static Mark MarkOf(char32_t c);
  void FeedWhiteSpace(char32_t c);
  void ResolveAfterSpace(absl::string_view text, char32_t next);
  void ResolveDirectly(char32_t next);
  static Mark Join(Mark before, Mark now);

  size_t sentence_ = 0, clause_ = 0, white_space_ = 0;
  size_t end_ = 0;  // behind the last character that is not white space
  Mark mark_ = Mark::kNone;
  bool spaced_ = false;  // white space stands since end_
  int line_breaks_ = 0;  // in that white space
};

// The last place at or before `end` where a line may break, at least `shortest` bytes from the
// start; failing that, the last place between two user-perceived characters; failing that, `end`.
// Never inside one of `spans` ([begin, end), in order).
// REQUIRES: end > 0 is the start of a character of the valid UTF-8 `text`, outside of all spans.
size_t LastBreak(absl::string_view text, size_t end, size_t shortest,
                 absl::Span<const std::pair<size_t, size_t>> spans);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_BOUNDARIES_H_
