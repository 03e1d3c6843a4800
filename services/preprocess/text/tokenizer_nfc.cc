#include "services/preprocess/text/tokenizer_nfc.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/preprocess/text/utf8.h"
#include "unicode/bytestream.h"
#include "unicode/normalizer2.h"
#include "unicode/stringpiece.h"
#include "unicode/uchar.h"
#include "unicode/unistr.h"

namespace shoal::preprocess {
namespace {

// Runs of this many combining marks are put in order here. ICU orders by insertion, which takes the
// square of a run's length.
constexpr size_t kLongRun = 32;

bool IsCombining(char32_t c) {
  // No mark below U+0300 combines.
  return c >= 0x300 &&
         u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_LEAD_CANONICAL_COMBINING_CLASS) != 0;
}

// The end of the run of combining marks that begins at `begin`, and how many there are.
size_t RunEnd(absl::string_view text, size_t begin, size_t& count) {
  size_t end = begin;
  for (count = 0; end < text.size(); ++count) {
    const CodePoint c = DecodeUtf8(text, end);
    if (!IsCombining(c.value)) break;
    end += c.length;
  }
  return end;
}

void AppendUtf8(UChar32 c, std::string& result) { icu::UnicodeString(c).toUTF8String(result); }

// Appends the marks of `run`, decomposed and in canonical order: by class, each class in the
// order it has in the text.
void AppendOrdered(absl::string_view run, const icu::Normalizer2& nfd, std::string& result) {
  std::array<std::vector<UChar32>, 256> by_class;
  for (size_t offset = 0; offset < run.size();) {
    const CodePoint c = DecodeUtf8(run, offset);
    offset += c.length;
    icu::UnicodeString decomposed;
    if (!nfd.getDecomposition(static_cast<UChar32>(c.value), decomposed)) {
      decomposed = icu::UnicodeString(static_cast<UChar32>(c.value));
    }
    for (int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
      const UChar32 mark = decomposed.char32At(i);
      by_class[u_getCombiningClass(mark)].push_back(mark);
    }
  }
  for (const std::vector<UChar32>& marks : by_class) {
    for (const UChar32 mark : marks) AppendUtf8(mark, result);
  }
}

// `text` with its long runs of combining marks in canonical order, which is canonically equivalent.
// A view of `storage` when there is such a run.
absl::string_view OrderLongRuns(absl::string_view text, const icu::Normalizer2& nfd,
                                std::string& storage) {
  storage.clear();
  size_t copied = 0;
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint c = DecodeUtf8(text, offset);
    if (!IsCombining(c.value)) {
      offset += c.length;
      continue;
    }
    size_t count = 0;
    const size_t end = RunEnd(text, offset, count);
    if (count > kLongRun) {
      absl::StrAppend(&storage, text.substr(copied, offset - copied));
      AppendOrdered(text.substr(offset, end - offset), nfd, storage);
      copied = end;
    }
    offset = end;
  }
  if (copied == 0) return text;
  absl::StrAppend(&storage, text.substr(copied));
  return storage;
}

absl::Status IcuError(UErrorCode code) {
  return absl::InternalError(absl::StrCat("NFC: ", u_errorName(code)));
}

}  // namespace

absl::StatusOr<absl::string_view> ToNfc(absl::string_view text, std::string& storage) {
  // All below U+0300, where lead bytes are below 0xCC, is in form C already.
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char byte) { return static_cast<uint8_t>(byte) < 0xCC; });
  if (plain) return text;
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  if (U_FAILURE(error)) return IcuError(error);
  std::string ordered;
  const absl::string_view input = OrderLongRuns(text, *nfd, ordered);
  storage.clear();
  icu::StringByteSink<std::string> sink(&storage, static_cast<int32_t>(input.size()));
  nfc->normalizeUTF8(0, icu::StringPiece(input.data(), static_cast<int32_t>(input.size())), sink,
                     nullptr, error);
  if (U_FAILURE(error)) return IcuError(error);
  return storage;
}

}  // namespace shoal::preprocess
