// The regular expression of a tokenizer.json, as Oniguruma (Ruby syntax) reads it there, run by
// PCRE2.
//
// Only what both engines read alike, or what can be rewritten so that they do, is accepted: the
// rest is refused when the file is loaded, so that no text is ever split otherwise than in
// training. Immutable once compiled; any thread. No limit on matching depends on the length of the
// text.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_PATTERN_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_PATTERN_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct pcre2_real_code_8;

namespace shoal::preprocess {

// The PCRE2 pattern that matches what `pattern` matches in Oniguruma. INVALID_ARGUMENT naming the
// construct when it is not known to be read alike.
absl::StatusOr<std::string> TranslatePattern(absl::string_view pattern);

class Pattern {
 public:
  static absl::StatusOr<Pattern> Compile(absl::string_view pattern);
  // A pattern that matches `text` itself.
  static absl::StatusOr<Pattern> Literal(absl::string_view text);

  struct Range {
    size_t begin, end;
    bool matched;
  };
  // Cuts `text` into what matches, be it empty, and what lies between, if anything, in order.
  // REQUIRES: valid UTF-8.
  absl::StatusOr<std::vector<Range>> Cut(absl::string_view text) const;

 private:
  struct FreeCode {
    void operator()(pcre2_real_code_8* code) const;
  };
  using Code = std::unique_ptr<pcre2_real_code_8, FreeCode>;

  explicit Pattern(Code code) : code_(std::move(code)) {}
  static absl::StatusOr<Pattern> CompileTranslated(const std::string& pattern);

  Code code_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_PATTERN_H_
