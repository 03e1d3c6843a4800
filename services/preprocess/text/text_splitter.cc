#include "services/preprocess/text/text_splitter.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/preprocess/text/turns.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

constexpr absl::string_view kPhonemeStart = "<|phoneme_start|>";
constexpr absl::string_view kPhonemeEnd = "<|phoneme_end|>";
constexpr size_t kMaxBracketBytes = 128;
// Pieces are looked at in slices, so that cutting turns off the front of the text stays cheap.
constexpr size_t kSliceBytes = 4096;

}  // namespace

absl::StatusOr<TextSplitter> TextSplitter::Create(int64_t chunk_length) {
  if (chunk_length < kMinChunkLength || chunk_length > kMaxChunkLength) {
    return absl::InvalidArgumentError(absl::StrCat("chunk_length is ", chunk_length, ", expected ",
                                                   kMinChunkLength, " to ", kMaxChunkLength));
  }
  return TextSplitter(static_cast<size_t>(chunk_length));
}

absl::StatusOr<std::vector<std::string>> TextSplitter::Append(absl::string_view piece) {
  if (!failure_.ok()) return failure_;
  std::string joined;
  if (!cut_off_.empty()) {
    joined = absl::StrCat(cut_off_, piece);
    piece = joined;
  }
  absl::string_view whole = piece;
  whole.remove_suffix(IncompleteUtf8Suffix(piece));
  if (const std::optional<size_t> invalid = FindInvalidUtf8(whole)) {
    failure_ = absl::InvalidArgumentError(
        absl::StrCat("text is not UTF-8 at byte ", received_ + *invalid));
    return failure_;
  }
  cut_off_ = std::string(piece.substr(whole.size()));
  received_ += whole.size();
  Turns turns;
  while (!whole.empty()) {
    size_t slice = std::min(whole.size(), kSliceBytes);
    if (slice < whole.size()) slice -= IncompleteUtf8Suffix(whole.substr(0, slice));
    absl::StrAppend(&text_, whole.substr(0, slice));
    whole.remove_prefix(slice);
    Scan(/*final=*/false, turns);
  }
  return turns;
}

absl::StatusOr<std::vector<std::string>> TextSplitter::Flush() {
  if (!failure_.ok()) return failure_;
  if (!cut_off_.empty()) {
    failure_ = absl::InvalidArgumentError(
        absl::StrCat("text ends inside a character at byte ", received_));
    return failure_;
  }
  Turns turns;
  Scan(/*final=*/true, turns);
  ClosePart(turns);
  EmitBatch(turns);
  keep_leading_space_ = false;
  return turns;
}

void TextSplitter::Scan(bool final, Turns& turns) {
  while (scan_ < text_.size()) {
    const Unit unit = NextUnit(final);
    switch (unit.kind) {
      case Unit::Kind::kIncomplete:
        return;
      case Unit::Kind::kSpeakerTag: {
        ClosePart(turns);
        tag_ = text_.substr(0, unit.length);
        keep_leading_space_ = true;
        RestartAt(unit.length);
        break;
      }
      case Unit::Kind::kCharacter:
      case Unit::Kind::kSpan:
        if (IsWhiteSpace(unit.first)) {
          TakeWhiteSpace(unit);
        } else {
          TakeText(unit, turns);
        }
        break;
    }
  }
}

TextSplitter::Unit TextSplitter::NextUnit(bool final) const {
  const absl::string_view rest = absl::string_view(text_).substr(scan_);
  const CodePoint c = DecodeUtf8(rest, 0);
  const Unit character = {Unit::Kind::kCharacter, c.length, c.value};
  if (c.value == U'<') {
    if (const size_t tag = SpeakerTagLength(rest)) return {Unit::Kind::kSpeakerTag, tag, U'<'};
    const bool may_begin = IsSpeakerTagPrefix(rest) || absl::StartsWith(kPhonemeStart, rest);
    if (may_begin && !final) return {Unit::Kind::kIncomplete};
    if (!absl::StartsWith(rest, kPhonemeStart)) return character;
    const absl::string_view text = rest.substr(0, limit());
    const size_t end = text.find(kPhonemeEnd);
    return SpanAt(final, text, end == text.npos ? end : end + kPhonemeEnd.size(), limit(), false);
  }
  if (c.value == U'[') {
    const size_t longest = std::min(kMaxBracketBytes, limit());
    const absl::string_view text = rest.substr(0, longest);
    const size_t stop = text.find_first_of("[]\n", 1);
    const bool closed = stop != text.npos && text[stop] == ']';
    return SpanAt(final, text, closed ? stop + 1 : text.npos, longest,
                  stop != text.npos && !closed);
  }
  return character;
}

TextSplitter::Unit TextSplitter::SpanAt(bool final, absl::string_view text, size_t end,
                                        size_t longest, bool cut_off) const {
  const char32_t first = static_cast<unsigned char>(text[0]);
  if (end != text.npos && !HasSpeakerTag(text.substr(0, end))) {
    return {Unit::Kind::kSpan, end, first};
  }
  if (end == text.npos && !cut_off && !final && text.size() < longest) {
    return {Unit::Kind::kIncomplete};
  }
  return {Unit::Kind::kCharacter, 1, first};
}

void TextSplitter::TakeWhiteSpace(const Unit& unit) {
  if (text_end_ == 0 && !keep_leading_space_) return RestartAt(scan_ + unit.length);
  const bool first = scan_ == text_end_;
  if (!first && scan_ + unit.length > limit()) {
    text_.erase(scan_, unit.length);
    return;
  }
  boundaries_.Feed(text_, scan_, unit.length, unit.first);
  scan_ += unit.length;
}

void TextSplitter::TakeText(const Unit& unit, Turns& turns) {
  const size_t end = scan_ + unit.length;
  const size_t bytes = tag_.size() + end;
  if (batch_parts_ > 0 && batch_bytes_ + bytes > chunk_length_) EmitBatch(turns);
  if (end > limit()) {
    // A part that does not fit begins with its first word.
    const size_t space = text_.size() - StripLeadingWhiteSpace(text_).size();
    if (space > 0) return RestartAt(space);
  }
  boundaries_.Feed(text_, scan_, unit.length, unit.first);
  if (end > limit()) return CutPart(turns);
  if (unit.kind == Unit::Kind::kSpan) spans_.emplace_back(scan_, end);
  scan_ = text_end_ = end;
}

void TextSplitter::CutPart(Turns& turns) {
  size_t cut = boundaries_.sentence();
  if (cut == 0 && boundaries_.clause() > limit() / 4) cut = boundaries_.clause();
  if (cut == 0) cut = boundaries_.white_space();
  if (cut == 0) {
    // The character that no longer fits is looked at too: it tells whether one may cut before it.
    const size_t seen = scan_ + DecodeUtf8(text_, scan_).length;
    cut = LastBreak(absl::string_view(text_).substr(0, seen), text_end_, limit() / 4, spans_);
  }
  const absl::string_view text = absl::string_view(text_).substr(0, cut);
  turns.push_back(absl::StrCat(tag_, StripTrailingWhiteSpace(text)));
  keep_leading_space_ = false;
  RestartAt(cut);
}

void TextSplitter::ClosePart(Turns& turns) {
  if (text_end_ > 0) {
    const absl::string_view text = absl::string_view(text_).substr(0, text_end_);
    const size_t bytes = tag_.size() + text.size();
    if (batch_bytes_ + bytes > chunk_length_) EmitBatch(turns);
    absl::StrAppend(&batch_, batch_parts_ > 0 ? "\n" : "", tag_, text);
    batch_bytes_ += bytes;
    if (++batch_parts_ == kMaxTurnsPerBatch) EmitBatch(turns);
  }
  RestartAt(scan_);
}

void TextSplitter::EmitBatch(Turns& turns) {
  if (batch_parts_ > 0) turns.push_back(std::move(batch_));
  batch_.clear();
  batch_bytes_ = 0;
  batch_parts_ = 0;
}

void TextSplitter::RestartAt(size_t bytes) {
  text_.erase(0, bytes);
  scan_ = text_end_ = 0;
  spans_.clear();
  boundaries_ = BoundaryFinder();
}

}  // namespace shoal::preprocess
