#include "services/preprocess/text/pre_tokenizer_pattern.h"

#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "services/preprocess/text/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace shoal::preprocess {
namespace {

// Oniguruma's \s is White_Space; PCRE2's also takes U+180E.
constexpr absl::string_view kWhiteSpaceClass = R"(\x{9}-\x{d}\x{85}\p{Z})";

// Walks a pattern and writes the one for PCRE2.
class Translator {
 public:
  explicit Translator(absl::string_view pattern) : rest_(pattern) {}

  absl::StatusOr<std::string> Translate() {
    while (!rest_.empty()) {
      const absl::Status status = in_class_ ? InClass() : OutsideClass();
      if (!status.ok()) return status;
    }
    if (in_class_) return Refuse("a character class without its end");
    return std::move(result_);
  }

 private:
  static absl::Status Refuse(absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("pattern: ", what, " is not supported"));
  }

  void Copy(size_t bytes) {
    absl::StrAppend(&result_, rest_.substr(0, bytes));
    rest_.remove_prefix(bytes);
  }
  void Replace(size_t bytes, absl::string_view by) {
    absl::StrAppend(&result_, by);
    rest_.remove_prefix(bytes);
  }

  absl::Status OutsideClass() {
    switch (rest_[0]) {
      case '\\':
        return Escape();
      case '[':
        in_class_ = true;
        Copy(absl::StartsWith(rest_, "[^") ? 2 : 1);
        if (absl::StartsWith(rest_, "]")) return Refuse("a character class that begins with ']'");
        return absl::OkStatus();
      case '(':
        return Group();
      case '{':
        return Repetition();
      default:
        Copy(1);
        return absl::OkStatus();
    }
  }

  absl::Status InClass() {
    if (rest_[0] == '\\') return Escape();
    if (rest_[0] == '[') return Refuse("a character class inside another");
    if (absl::StartsWith(rest_, "&&")) return Refuse("an intersection of character classes");
    if (rest_[0] == ']') in_class_ = false;
    Copy(1);
    return absl::OkStatus();
  }

  absl::Status Group() {
    if (!absl::StartsWith(rest_, "(?")) {
      Copy(1);
      return absl::OkStatus();
    }
    for (const absl::string_view start : {"(?:", "(?i:", "(?=", "(?!", "(?>", "(?<=", "(?<!"}) {
      if (absl::StartsWith(rest_, start)) {
        Copy(start.size());
        return absl::OkStatus();
      }
    }
    return Refuse(absl::StrCat("the group \"", rest_.substr(0, 4), "\""));
  }

  // {n}, {n,} and {n,m}, greedy or, but for {n}, lazy. The rest is read in two ways.
  absl::Status Repetition() {
    const size_t end = rest_.find('}');
    const absl::string_view counts = rest_.substr(0, end).substr(1);
    const size_t digits = counts.find_first_not_of("0123456789");
    const bool well_formed = end != absl::string_view::npos && digits != 0 && !counts.empty() &&
                             counts.find_first_not_of("0123456789", digits + 1) == counts.npos &&
                             (digits == counts.npos || counts[digits] == ',');
    if (!well_formed) return Refuse("this use of '{'");
    const absl::string_view after = rest_.substr(end + 1, 1);
    if (after == "+" || (after == "?" && digits == counts.npos)) {
      return Refuse(absl::StrCat("\"", rest_.substr(0, end + 2), "\""));
    }
    Copy(end + 1);
    return absl::OkStatus();
  }

  absl::Status Escape() {
    if (rest_.size() < 2) return Refuse("a '\\' at the end");
    const char c = rest_[1];
    if (absl::ascii_ispunct(c) || absl::StrContains("rntfaedD", c)) {
      Copy(2);
      return absl::OkStatus();
    }
    switch (c) {
      case 's':
        Replace(2, in_class_ ? std::string(kWhiteSpaceClass)
                             : absl::StrCat("[", kWhiteSpaceClass, "]"));
        return absl::OkStatus();
      case 'S':
        if (in_class_) return Refuse("\\S in a character class");
        Replace(2, absl::StrCat("[^", kWhiteSpaceClass, "]"));
        return absl::OkStatus();
      case 'v':
        Replace(2, R"(\x{b})");
        return absl::OkStatus();
      case 'p':
      case 'P':
        return Property();
      case 'x':
      case 'u':
        return CodePointEscape(c);
      default:
        return Refuse(absl::StrCat("\"\\", rest_.substr(1, 1), "\""));
    }
  }

  // \p{L}, \p{Lu}, \p{^L}: general categories, which both engines know by the same names.
  absl::Status Property() {
    const size_t end = rest_.find('}');
    absl::string_view name = rest_.substr(0, end).substr(2);
    const bool braced = end != absl::string_view::npos && absl::ConsumePrefix(&name, "{");
    absl::ConsumePrefix(&name, "^");
    const bool category = braced && (name.size() == 1 || name.size() == 2) &&
                          absl::StrContains("CLMNPSZ", name[0]) &&
                          (name.size() == 1 || absl::ascii_islower(name[1]));
    if (!category) {
      return Refuse("a property that is not a general category like \\p{L}");
    }
    Copy(end + 1);
    return absl::OkStatus();
  }

  // \x{H...}, \xHH of ASCII, \uHHHH.
  absl::Status CodePointEscape(char kind) {
    const bool braced = kind == 'x' && absl::StartsWith(rest_.substr(2), "{");
    const size_t digits_at = braced ? 3 : 2;
    const size_t end = braced ? rest_.find('}') : digits_at + (kind == 'x' ? 2 : 4);
    if (end == absl::string_view::npos || end > rest_.size()) return Refuse("this code point");
    const absl::string_view digits = rest_.substr(digits_at, end - digits_at);
    const bool hex = !digits.empty() && digits.size() <= 6 &&
                     digits.find_first_not_of("0123456789abcdefABCDEF") == digits.npos;
    const bool raw_byte = kind == 'x' && !braced && hex && digits[0] >= '8';
    if (!hex || raw_byte) return Refuse(absl::StrCat("\"", rest_.substr(0, end), "\""));
    Replace(braced ? end + 1 : end, absl::StrCat("\\x{", digits, "}"));
    return absl::OkStatus();
  }

  absl::string_view rest_;
  std::string result_;
  bool in_class_ = false;
};

std::string ErrorMessage(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char*>(buffer);
}

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeCompileContext {
  void operator()(pcre2_compile_context* context) const { pcre2_compile_context_free(context); }
};

// One text being searched: PCRE2's memory for it.
class Search {
 public:
  Search(const pcre2_code* code, absl::string_view text)
      : code_(code),
        text_(text),
        data_(pcre2_match_data_create_from_pattern(code, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    // A long run of white space backtracks once for each of its characters.
    pcre2_set_match_limit(context_.get(), std::numeric_limits<uint32_t>::max());
  }

  // PCRE2's code: positive when there is a match at or after `from`.
  int Find(size_t from) {
    int found = Match(from, 0);
    // The compiled code's own stack is small; the interpreter takes memory as it needs.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) found = Match(from, PCRE2_NO_JIT);
    return found;
  }
  size_t begin() const { return pcre2_get_ovector_pointer(data_.get())[0]; }
  size_t end() const { return pcre2_get_ovector_pointer(data_.get())[1]; }

 private:
  int Match(size_t from, uint32_t options) {
    return pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), from,
                       options | PCRE2_NO_UTF_CHECK, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  absl::string_view text_;
  std::unique_ptr<pcre2_match_data, FreeMatchData> data_;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context_;
};

}  // namespace

absl::StatusOr<std::string> TranslatePattern(absl::string_view pattern) {
  return Translator(pattern).Translate();
}

void Pattern::FreeCode::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

absl::StatusOr<Pattern> Pattern::Compile(absl::string_view pattern) {
  absl::StatusOr<std::string> translated = TranslatePattern(pattern);
  if (!translated.ok()) return translated.status();
  return CompileTranslated(*translated);
}

absl::StatusOr<Pattern> Pattern::Literal(absl::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (absl::ascii_ispunct(c)) pattern += '\\';
    pattern += c;
  }
  return CompileTranslated(pattern);
}

absl::StatusOr<Pattern> Pattern::CompileTranslated(const std::string& pattern) {
  const std::unique_ptr<pcre2_compile_context, FreeCompileContext> context(
      pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t offset = 0;
  // Ruby's ^ and $ are those of lines.
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, context.get()));
  if (code == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrFormat("pattern: %s at byte %d of \"%s\"", ErrorMessage(error), offset, pattern));
  }
  // Where the machine forbids writable code pages PCRE2 interprets, with the same results.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return Pattern(std::move(code));
}

absl::StatusOr<std::vector<Pattern::Range>> Pattern::Cut(absl::string_view text) const {
  std::vector<Range> ranges;
  Search search(code_.get(), text);
  size_t from = 0;           // where to search
  size_t covered = 0;        // the end of the last range
  bool after_match = false;  // the last match ended at `from`
  while (from <= text.size()) {
    const int found = search.Find(from);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return absl::InternalError(absl::StrCat("pattern: ", ErrorMessage(found)));
    const size_t begin = search.begin(), end = search.end();
    if (begin == end && after_match && end == from) {
      // No empty match right behind another one.
      from += from < text.size() ? DecodeUtf8(text, from).length : 1;
      after_match = false;
      continue;
    }
    if (covered < begin) ranges.push_back({covered, begin, false});
    ranges.push_back({begin, end, true});
    covered = from = end;
    after_match = true;
  }
  if (covered < text.size()) ranges.push_back({covered, text.size(), false});
  return ranges;
}

}  // namespace shoal::preprocess
