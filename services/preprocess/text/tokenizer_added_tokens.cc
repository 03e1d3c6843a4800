#include "services/preprocess/text/tokenizer_added_tokens.h"

#include <algorithm>

#include "services/preprocess/text/utf8.h"
#include "unicode/uchar.h"

namespace shoal::preprocess {
namespace {

// \w of Unicode regular expressions (UTS #18).
bool IsWordCharacter(char32_t value) {
  const UChar32 c = static_cast<UChar32>(value);
  constexpr uint32_t kMasks = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(c) & kMasks) != 0 ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

bool IsUnicodeWhiteSpace(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }

bool EndsWithWord(absl::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeUtf8(text, PreviousUtf8(text, text.size())).value);
}

bool StartsWithWord(absl::string_view text) {
  return !text.empty() && IsWordCharacter(DecodeUtf8(text, 0).value);
}

// The start of the white space that ends `text`, looking no further back than `from`.
size_t SpaceStart(absl::string_view text, size_t from) {
  size_t start = text.size();
  while (start > from) {
    const size_t previous = PreviousUtf8(text, start);
    if (!IsUnicodeWhiteSpace(DecodeUtf8(text, previous).value)) break;
    start = previous;
  }
  return start;
}

// The end of the white space that begins at `offset`.
size_t SpaceEnd(absl::string_view text, size_t offset) {
  while (offset < text.size()) {
    const CodePoint c = DecodeUtf8(text, offset);
    if (!IsUnicodeWhiteSpace(c.value)) break;
    offset += c.length;
  }
  return offset;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher() : nodes_(1) {}

void AddedTokenMatcher::Add(absl::string_view pattern, const AddedToken& token) {
  starts_[static_cast<uint8_t>(pattern[0])] = true;
  int32_t node = 0;
  for (const char byte : pattern) {
    const auto [edge, inserted] =
        nodes_[node].next.try_emplace(byte, static_cast<int32_t>(nodes_.size()));
    node = edge->second;
    if (inserted) nodes_.emplace_back();
  }
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

AddedTokenMatcher::Match AddedTokenMatcher::LongestAt(absl::string_view text, size_t offset) const {
  Match longest;
  int32_t node = 0;
  for (size_t i = offset; i < text.size(); ++i) {
    const auto edge = nodes_[node].next.find(text[i]);
    if (edge == nodes_[node].next.end()) break;
    node = edge->second;
    if (nodes_[node].token >= 0) longest = {i + 1 - offset, nodes_[node].token};
  }
  return longest;
}

std::vector<AddedTokenMatcher::Segment> AddedTokenMatcher::Cut(absl::string_view text) const {
  std::vector<Segment> segments;
  size_t covered = 0;  // the end of the last segment
  size_t offset = 0;
  while (!tokens_.empty() && offset < text.size()) {
    if (!starts_[static_cast<uint8_t>(text[offset])]) {
      ++offset;
      continue;
    }
    const Match match = LongestAt(text, offset);
    if (match.length == 0) {
      ++offset;
      continue;
    }
    size_t begin = offset, end = offset + match.length;
    offset = end;
    const AddedToken& token = tokens_[match.token];
    if (token.single_word &&
        (EndsWithWord(text.substr(0, begin)) || StartsWithWord(text.substr(end)))) {
      continue;
    }
    if (token.lstrip) begin = SpaceStart(text.substr(0, begin), std::min(covered, begin));
    if (token.rstrip) end = SpaceEnd(text, end);
    if (covered < begin) segments.push_back({text.substr(covered, begin - covered), {}});
    segments.push_back({text.substr(begin, end - begin), token.id});
    covered = end;
  }
  if (covered < text.size()) segments.push_back({text.substr(covered), {}});
  return segments;
}

}  // namespace shoal::preprocess
