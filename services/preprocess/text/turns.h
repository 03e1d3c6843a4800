// A dialogue written as one text: speaker tags, the turns they begin, and the batches of turns that
// become one user message each.
//
// A speaker tag is `<|speaker:i|>` with i of 1 to 9 ASCII digits. It is text to the tokenizer.
// Free functions without state; any thread. Time is linear in the text.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TURNS_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace shoal::preprocess {

// Turns in a batch at most, whatever their bytes.
inline constexpr int kMaxTurnsPerBatch = 5;
// The longest speaker tag there is, in bytes.
inline constexpr size_t kMaxSpeakerTagBytes = sizeof("<|speaker:123456789|>") - 1;

// Bytes of the speaker tag that `text` begins with, or 0.
size_t SpeakerTagLength(absl::string_view text);
// Whether bytes to come can make `text`, all of it, the beginning of a speaker tag.
bool IsSpeakerTagPrefix(absl::string_view text);
bool HasSpeakerTag(absl::string_view text);

// What to do with text that stands before the first speaker tag.
enum class LeadingText {
  kKeep,  // it is a turn of its own
  kDrop,  // as the model's authors do
};

struct DialogueOptions {
  int64_t chunk_length = 0;  // UTF-8 bytes of a batch at most; joining newlines are not counted
  int max_turns = kMaxTurnsPerBatch;
  LeadingText leading_text = LeadingText::kKeep;
};

// Cuts a whole text at its speaker tags and groups the turns into batches; a batch is its turns
// joined by "\n". Turns are stripped of surrounding white space, never cut: a turn longer than
// chunk_length is a batch of its own. Text without any tag is one batch, as it is, unless it is
// all white space and leading_text is kKeep.
// REQUIRES: valid UTF-8.
std::vector<std::string> DialogueBatches(absl::string_view text, const DialogueOptions& options);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TURNS_H_
