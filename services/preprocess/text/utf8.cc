#include "services/preprocess/text/utf8.h"

#include <cstdint>

#include "unicode/uchar.h"

namespace shoal::preprocess {
namespace {

uint8_t ByteAt(absl::string_view text, size_t offset) { return static_cast<uint8_t>(text[offset]); }

bool IsContinuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

// Bytes of the sequence that `lead` begins, or 0 when it begins none.
size_t SequenceLength(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // a continuation, or an overlong form of ASCII
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

// Whether `second` may follow `lead`: keeps out overlong forms, surrogates and what is past
// U+10FFFF.
bool IsSecond(uint8_t lead, uint8_t second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return IsContinuation(second);
  }
}

// Whether the first `count` bytes at `offset` may begin a sequence.
bool IsSequenceStart(absl::string_view text, size_t offset, size_t count) {
  const uint8_t lead = ByteAt(text, offset);
  if (count > 1 && !IsSecond(lead, ByteAt(text, offset + 1))) return false;
  for (size_t i = 2; i < count; ++i) {
    if (!IsContinuation(ByteAt(text, offset + i))) return false;
  }
  return true;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(absl::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    const size_t length = SequenceLength(ByteAt(text, offset));
    if (length == 0 || length > text.size() - offset || !IsSequenceStart(text, offset, length)) {
      return offset;
    }
    offset += length;
  }
  return std::nullopt;
}

size_t IncompleteUtf8Suffix(absl::string_view text) {
  for (size_t count = 1; count <= 3 && count <= text.size(); ++count) {
    const size_t offset = text.size() - count;
    if (IsContinuation(ByteAt(text, offset))) continue;
    const bool cut_off = SequenceLength(ByteAt(text, offset)) > count;
    return cut_off && IsSequenceStart(text, offset, count) ? count : 0;
  }
  return 0;
}

CodePoint DecodeUtf8(absl::string_view text, size_t offset) {
  const uint8_t lead = ByteAt(text, offset);
  const size_t length = SequenceLength(lead);
  if (length == 1) return {lead, 1};
  char32_t value = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) value = value << 6 | (ByteAt(text, offset + i) & 0x3F);
  return {value, length};
}

size_t PreviousUtf8(absl::string_view text, size_t offset) {
  do {
    --offset;
  } while (IsContinuation(ByteAt(text, offset)));
  return offset;
}

bool IsWhiteSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return u_isUWhiteSpace(static_cast<UChar32>(c));
}

absl::string_view StripLeadingWhiteSpace(absl::string_view text) {
  size_t begin = 0;
  while (begin < text.size()) {
    const CodePoint c = DecodeUtf8(text, begin);
    if (!IsWhiteSpace(c.value)) break;
    begin += c.length;
  }
  return text.substr(begin);
}

absl::string_view StripTrailingWhiteSpace(absl::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    const size_t previous = PreviousUtf8(text, end);
    if (!IsWhiteSpace(DecodeUtf8(text, previous).value)) break;
    end = previous;
  }
  return text.substr(0, end);
}

absl::string_view StripWhiteSpace(absl::string_view text) {
  return StripTrailingWhiteSpace(StripLeadingWhiteSpace(text));
}

}  // namespace shoal::preprocess
