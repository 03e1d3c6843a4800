#include "client/utf8_pieces.h"

#include <utility>

#include "absl/strings/str_format.h"

namespace shoal::client {
namespace {

// Which second bytes a first byte allows (Unicode 15, table 3-7): that is where overlong forms,
// surrogates and everything beyond U+10FFFF drop out. Later bytes are always 80..BF.
struct Lead {
  int length;  // of the character; 0: no character begins so
  uint8_t second_low, second_high;
};

Lead LeadOf(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

enum class Character { kWhole, kCutShort, kWrong };

// The character at the start of `text`, which is not empty; its length when it is whole.
std::pair<Character, size_t> FirstCharacter(absl::string_view text) {
  const Lead lead = LeadOf(static_cast<uint8_t>(text[0]));
  if (lead.length == 0) return {Character::kWrong, 0};
  const size_t length = static_cast<size_t>(lead.length);
  for (size_t i = 1; i < length; ++i) {
    if (i == text.size()) return {Character::kCutShort, 0};
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    const uint8_t low = i == 1 ? lead.second_low : 0x80;
    const uint8_t high = i == 1 ? lead.second_high : 0xBF;
    if (byte < low || byte > high) return {Character::kWrong, 0};
  }
  return {Character::kWhole, length};
}

absl::Status NotUtf8(uint64_t offset, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrFormat("the text is not UTF-8: %s at byte %d", what, offset));
}

}  // namespace

absl::StatusOr<std::string> Utf8Pieces::Add(absl::string_view bytes) {
  std::string text = std::exchange(rest_, {});
  text.append(bytes.data(), bytes.size());
  size_t end = 0;
  while (end < text.size()) {
    const auto [character, length] = FirstCharacter(absl::string_view(text).substr(end));
    if (character == Character::kWrong) {
      return NotUtf8(passed_ + end, absl::StrFormat("0x%02X", static_cast<uint8_t>(text[end])));
    }
    if (character == Character::kCutShort) break;
    end += length;
  }
  rest_ = text.substr(end);
  text.resize(end);
  passed_ += end;
  return text;
}

absl::Status Utf8Pieces::Finish() const {
  return rest_.empty() ? absl::OkStatus() : NotUtf8(passed_, "an incomplete character");
}

absl::Status CheckUtf8(absl::string_view text) {
  Utf8Pieces pieces;
  const absl::StatusOr<std::string> piece = pieces.Add(text);
  return piece.ok() ? pieces.Finish() : piece.status();
}

}  // namespace shoal::client
