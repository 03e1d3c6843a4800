#include "services/preprocess/text/turns.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

constexpr absl::string_view kTagStart = "<|speaker:";
constexpr absl::string_view kTagEnd = "|>";
constexpr size_t kMaxDigits = kMaxSpeakerTagBytes - kTagStart.size() - kTagEnd.size();

// Digits of a tag's number that `text`, what follows kTagStart, begins with.
size_t CountDigits(absl::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  return digits;
}

// The offset of the next speaker tag from `from` on, or npos.
size_t FindSpeakerTag(absl::string_view text, size_t from) {
  for (size_t at = text.find(kTagStart, from); at != absl::string_view::npos;
       at = text.find(kTagStart, at + 1)) {
    if (SpeakerTagLength(text.substr(at, kMaxSpeakerTagBytes)) > 0) return at;
  }
  return absl::string_view::npos;
}

// Stripped turns, in order. Empty when the text has no tag.
std::vector<absl::string_view> SplitTurns(absl::string_view text, LeadingText leading_text) {
  std::vector<absl::string_view> turns;
  size_t begin = FindSpeakerTag(text, 0);
  if (begin == absl::string_view::npos) return turns;
  const absl::string_view leading = StripWhiteSpace(text.substr(0, begin));
  if (leading_text == LeadingText::kKeep && !leading.empty()) turns.push_back(leading);
  while (begin != absl::string_view::npos) {
    const size_t end = FindSpeakerTag(text, begin + 1);
    const size_t length = end == absl::string_view::npos ? end : end - begin;
    turns.push_back(StripTrailingWhiteSpace(text.substr(begin, length)));
    begin = end;
  }
  return turns;
}

}  // namespace

size_t SpeakerTagLength(absl::string_view text) {
  if (!absl::StartsWith(text, kTagStart)) return 0;
  const size_t digits = CountDigits(text.substr(kTagStart.size(), kMaxDigits + 1));
  if (digits == 0 || digits > kMaxDigits) return 0;
  if (!absl::StartsWith(text.substr(kTagStart.size() + digits), kTagEnd)) return 0;
  return kTagStart.size() + digits + kTagEnd.size();
}

bool IsSpeakerTagPrefix(absl::string_view text) {
  if (text.size() <= kTagStart.size()) return absl::StartsWith(kTagStart, text);
  if (text.size() >= kMaxSpeakerTagBytes || !absl::StartsWith(text, kTagStart)) return false;
  text.remove_prefix(kTagStart.size());
  const size_t digits = CountDigits(text);
  text.remove_prefix(digits);
  if (text.empty()) return digits <= kMaxDigits;
  return digits > 0 && digits <= kMaxDigits && text == kTagEnd.substr(0, 1);
}

bool HasSpeakerTag(absl::string_view text) {
  return FindSpeakerTag(text, 0) != absl::string_view::npos;
}

std::vector<std::string> DialogueBatches(absl::string_view text, const DialogueOptions& options) {
  const std::vector<absl::string_view> turns = SplitTurns(text, options.leading_text);
  if (turns.empty()) {
    const bool blank = StripWhiteSpace(text).empty();
    if (blank && options.leading_text == LeadingText::kKeep) return {};
    return {std::string(text)};
  }
  std::vector<std::string> batches;
  std::vector<absl::string_view> batch;
  size_t bytes = 0;
  const auto close = [&] {
    batches.push_back(absl::StrJoin(batch, "\n"));
    batch.clear();
    bytes = 0;
  };
  for (const absl::string_view turn : turns) {
    const bool too_many = batch.size() >= static_cast<size_t>(options.max_turns);
    const bool too_long = bytes + turn.size() > static_cast<size_t>(options.chunk_length);
    if (!batch.empty() && (too_many || too_long)) close();
    batch.push_back(turn);
    bytes += turn.size();
  }
  close();
  return batches;
}

}  // namespace shoal::preprocess
