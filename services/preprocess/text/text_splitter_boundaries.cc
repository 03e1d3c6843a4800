#include "services/preprocess/text/text_splitter_boundaries.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/ascii.h"
#include "services/preprocess/text/utf8.h"
#include "unicode/brkiter.h"
#include "unicode/locid.h"
#include "unicode/uchar.h"
#include "unicode/utext.h"

namespace shoal::preprocess {
namespace {

// Words whose `.` ends no sentence, lower case. Not here: words that end sentences as often as not
// (etc, no), which cost less uncut.
constexpr absl::string_view kAbbreviations[] = {
    // English
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "mt", "gen", "col", "capt", "lt", "sgt",
    "rev", "hon", "gov", "sen", "rep", "vs", "fig", "figs", "eq", "vol", "pp", "ed", "eds", "inc",
    "ltd", "corp", "dept", "est", "approx", "ave", "blvd", "al", "cf", "jan", "feb", "aug", "sept",
    "oct", "nov", "dec",
    // German
    "bzw", "usw", "ca", "nr", "str", "hr", "fr", "dipl", "ing", "bspw", "vgl", "evtl", "ggf",
    "inkl", "sog", "abs", "tel",
    // French, Spanish, Portuguese, Italian
    "mme", "mlle", "mm", "av", "sra", "srta", "dra", "sto", "sta", "ud", "uds", "pág", "núm", "sig",
    "dott", "ecc",
    // Russian, Polish
    "ул", "стр", "рис", "им", "ул", "np", "tzn", "ul", "prof"};

bool IsWordPart(char32_t value) {
  const UChar32 c = static_cast<UChar32>(value);
  return u_isalnum(c) || (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0;
}

bool IsCased(char32_t c) { return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_CASED); }

// Closing quotes and brackets, and what modifies the character before it.
bool IsCloser(char32_t value) {
  if (value == U'"' || value == U'\'') return true;
  constexpr uint32_t kMasks = U_GC_PE_MASK | U_GC_PF_MASK | U_GC_M_MASK;
  return (U_GET_GC_MASK(static_cast<UChar32>(value)) & kMasks) != 0;
}

// Whether the `.` that ends `text` belongs to the word before it.
bool EndsWithAbbreviation(absl::string_view text) {
  if (text.empty() || text.back() != '.') return false;
  constexpr int kLongest = 12;  // characters looked at
  const size_t end = text.size() - 1;
  size_t begin = end;
  int letters = 0, longest_run = 0, run = 0, digits = 0;
  bool dotted = false, cased = true;
  for (int count = 0; begin > 0; ++count) {
    const size_t previous = PreviousUtf8(text, begin);
    const char32_t c = DecodeUtf8(text, previous).value;
    if (c != U'.' && !IsWordPart(c)) break;
    if (count == kLongest) return false;
    begin = previous;
    if (c == U'.') {
      dotted = true;
      run = 0;
    } else if (u_isdigit(static_cast<UChar32>(c))) {
      ++digits;
    } else if (u_isalpha(static_cast<UChar32>(c))) {
      ++letters;
      longest_run = std::max(longest_run, ++run);
      cased = cased && IsCased(c);
    }
  }
  if (digits > 0) return letters == 0 && digits <= 2 && !dotted;
  if (longest_run == 1 && cased) return true;  // "J.", "e.g.", "U.S."
  if (dotted || letters == 0) return false;
  icu::UnicodeString word =
      icu::UnicodeString::fromUTF8({text.data() + begin, static_cast<int32_t>(end - begin)});
  std::string lower;
  word.toLower(icu::Locale::getRoot()).toUTF8String(lower);
  return std::find(std::begin(kAbbreviations), std::end(kAbbreviations), lower) !=
         std::end(kAbbreviations);
}

// Line feeds, and what Unicode has in their place; a carriage return is half of one.
int LineBreaks(char32_t c) {
  if (c == 0x2029) return 2;
  return c == U'\n' || c == 0x85 || c == 0x2028 ? 1 : 0;
}

bool IsInsideSpan(size_t offset, absl::Span<const std::pair<size_t, size_t>> spans) {
  for (const auto& [begin, end] : spans) {
    if (begin < offset && offset < end) return true;
  }
  return false;
}

}  // namespace

BoundaryFinder::Mark BoundaryFinder::MarkOf(char32_t value) {
  const UChar32 c = static_cast<UChar32>(value);
  switch (value) {
    case U'.':
      return Mark::kPoint;
    case U'!':
    case U'?':
    case 0x2026:  // …
    case 0x037E:  // the Greek question mark
      return Mark::kSoftEnd;
    case U',':
    case U';':
    case U':':
      return Mark::kComma;
    case 0x2014:  // —
    case 0x2015:
      return Mark::kHardComma;
    default:
      break;
  }
  if (c < 0x80) return Mark::kNone;
  if (u_hasBinaryProperty(c, UCHAR_S_TERM)) return Mark::kHardEnd;
  if (u_hasBinaryProperty(c, UCHAR_TERMINAL_PUNCTUATION)) return Mark::kHardComma;
  return Mark::kNone;
}

// What two marks in a row are together.
BoundaryFinder::Mark BoundaryFinder::Join(Mark before, Mark now) {
  if (now == Mark::kComma || now == Mark::kHardComma) return now;  // "etc.,"
  if (before == Mark::kHardEnd || now == Mark::kHardEnd) return Mark::kHardEnd;
  return Mark::kSoftEnd;  // "...", "?!"
}

void BoundaryFinder::Feed(absl::string_view text, size_t offset, size_t length, char32_t c) {
  if (IsWhiteSpace(c)) return FeedWhiteSpace(c);
  const Mark now = MarkOf(c);
  if (spaced_) {
    ResolveAfterSpace(text.substr(0, end_), c);
    mark_ = now;
  } else if (mark_ != Mark::kNone && now != Mark::kNone) {
    mark_ = Join(mark_, now);
  } else if (mark_ == Mark::kNone || !IsCloser(c)) {
    ResolveDirectly(c);
    mark_ = now;
  }
  end_ = offset + length;
}

void BoundaryFinder::FeedWhiteSpace(char32_t c) {
  if (end_ == 0) return;  // nothing to cut off yet
  spaced_ = true;
  white_space_ = end_;
  line_breaks_ += LineBreaks(c);
}

void BoundaryFinder::ResolveAfterSpace(absl::string_view text, char32_t next) {
  const bool goes_on = u_hasBinaryProperty(static_cast<UChar32>(next), UCHAR_LOWERCASE);
  bool sentence = line_breaks_ >= 2, clause = line_breaks_ == 1;
  switch (mark_) {
    case Mark::kNone:
      break;
    case Mark::kPoint:
    case Mark::kSoftEnd:
      clause = true;
      sentence = sentence || (!goes_on && (mark_ != Mark::kPoint || !EndsWithAbbreviation(text)));
      break;
    case Mark::kHardEnd:
      sentence = true;
      break;
    case Mark::kComma:
    case Mark::kHardComma:
      clause = true;
      break;
  }
  if (sentence) {
    sentence_ = end_;
  } else if (clause) {
    clause_ = end_;
  }
  spaced_ = false;
  line_breaks_ = 0;
}

void BoundaryFinder::ResolveDirectly(char32_t next) {
  if (mark_ == Mark::kHardEnd) sentence_ = end_;
  if (mark_ == Mark::kHardComma && !u_isdigit(static_cast<UChar32>(next))) clause_ = end_;
}

size_t LastBreak(absl::string_view text, size_t end, size_t shortest,
                 absl::Span<const std::pair<size_t, size_t>> spans) {
  const struct {
    icu::BreakIterator* (*create)(const icu::Locale&, UErrorCode&);
    size_t shortest;
  } kinds[] = {{icu::BreakIterator::createLineInstance, shortest},
               {icu::BreakIterator::createCharacterInstance, 1}};
  for (const auto& kind : kinds) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::LocalUTextPointer utf8(
        utext_openUTF8(nullptr, text.data(), static_cast<int64_t>(text.size()), &error));
    const std::unique_ptr<icu::BreakIterator> breaks(kind.create(icu::Locale::getRoot(), error));
    if (U_SUCCESS(error)) breaks->setText(utf8.getAlias(), error);
    if (U_FAILURE(error)) continue;
    int32_t at = static_cast<int32_t>(end);
    if (!breaks->isBoundary(at)) at = breaks->preceding(static_cast<int32_t>(end));
    while (at > 0 && IsInsideSpan(static_cast<size_t>(at), spans)) at = breaks->previous();
    if (at > 0 && static_cast<size_t>(at) >= kind.shortest) return static_cast<size_t>(at);
  }
  return end;
}

}  // namespace shoal::preprocess
