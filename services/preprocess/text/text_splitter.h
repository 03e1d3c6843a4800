// Cuts text that arrives in pieces into the turns that are spoken one after another.
//
// One TextSplitter serves one session and belongs to the thread that feeds it. The turns are a
// function of the whole text and of the positions of the flushes; where the pieces end, and when
// they come, changes nothing. A turn comes out of the call that made it certain. Memory is bounded
// by chunk_length and the piece in hand; time is linear in the text.
//
// The rule:
// - `<|speaker:i|>` begins a speaker's part. Parts are stripped of surrounding white space (space
//   between a tag and its text stays) and parts without text are dropped. Text before the first
//   tag is a part too.
// - As in turns.h, whole parts are joined by "\n" into one turn while it has at most five of them
//   and at most chunk_length bytes (the newlines not counted).
// - A part that is longer than chunk_length by itself is cut at the last sentence end within
//   chunk_length bytes (text_splitter_boundaries.h says what ends a sentence); without one at the
//   last clause end past a quarter of them, then at the last white space, then where a line may
//   break (between ideographs, between Thai words), then between two user-perceived characters.
//   What follows the cut begins with the part's tag again.
// - No cut falls inside a `[tag]` of one line and at most 128 bytes, or inside
//   `<|phoneme_start|>...<|phoneme_end|>`, if it fits a turn and no speaker tag stands in it.
// - A flush ends the part and the turn. What comes after it continues the same speaker's part.
// - White space that runs past chunk_length is shortened to what fits, or one character.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/preprocess/text/text_splitter_boundaries.h"

namespace shoal::preprocess {

class TextSplitter {
 public:
  static constexpr int64_t kMinChunkLength = 100;
  static constexpr int64_t kMaxChunkLength = 1000;
  static constexpr int64_t kDefaultChunkLength = 200;

  // chunk_length is in UTF-8 bytes. INVALID_ARGUMENT naming it when it is out of range.
  static absl::StatusOr<TextSplitter> Create(int64_t chunk_length);

  // Each returns the turns that have become certain, oldest first, none of them empty.
  // INVALID_ARGUMENT with the byte offset in the whole text when it is not UTF-8; every later call
  // then fails alike. A piece may end inside a character, a flush may not.
  absl::StatusOr<std::vector<std::string>> Append(absl::string_view piece);
  absl::StatusOr<std::vector<std::string>> Flush();
  // The end of the text: a flush after which nothing comes.
  absl::StatusOr<std::vector<std::string>> Finish() { return Flush(); }

 private:
  using Turns = std::vector<std::string>;

  // What stands at scan_: one character, or something that is never cut.
  struct Unit {
    enum class Kind { kIncomplete, kCharacter, kSpan, kSpeakerTag };
    Kind kind;
    size_t length = 0;
    char32_t first = 0;
  };

  explicit TextSplitter(size_t chunk_length) : chunk_length_(chunk_length) {}

  // Looks at all that is buffered; `final` when nothing comes after it.
  void Scan(bool final, Turns& turns);
  Unit NextUnit(bool final) const;
  // A `[tag]` or a phoneme span at scan_; a character when there is none.
  Unit SpanAt(bool final, absl::string_view text, size_t end, size_t longest, bool cut_off) const;
  void TakeWhiteSpace(const Unit& unit);
  void TakeText(const Unit& unit, Turns& turns);
  void CutPart(Turns& turns);
  // Moves the part, if it has text, to the batch.
  void ClosePart(Turns& turns);
  void EmitBatch(Turns& turns);
  // Forgets the first `bytes` of the part and looks at what follows them afresh.
  void RestartAt(size_t bytes);
  // Bytes of text, without its tag, that a turn of this part can hold.
  size_t limit() const { return chunk_length_ - tag_.size(); }

  size_t chunk_length_;
  absl::Status failure_;   // sticky
  uint64_t received_ = 0;  // bytes of the whole text before cut_off_
  std::string cut_off_;    // the beginning of a character whose end has not come yet

  // The part at hand. text_[0, scan_) has been looked at; all of it up to text_end_ fits a turn.
  std::string tag_;                  // the speaker's; empty before the first
  std::string text_;                 // without the tag
  size_t scan_ = 0;                  // start of the next unit
  size_t text_end_ = 0;              // end of the last unit that is not white space
  bool keep_leading_space_ = false;  // text_ follows its tag
  BoundaryFinder boundaries_;
  std::vector<std::pair<size_t, size_t>> spans_;  // never cut, [begin, end) in text_

  // Whole parts that will be one turn.
  std::string batch_;
  size_t batch_bytes_ = 0;  // without the joining newlines
  int batch_parts_ = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TEXT_SPLITTER_H_
