// What the model is told at each turn of a session: the voice, what was said before, the new text.
// Keeps it within the model's context by forgetting the oldest turns.
//
// Owned by one session, which lends it to one worker at a time; not for several threads at once.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_CONVERSATION_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_CONVERSATION_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/preprocess/references/reference_cache.h"
#include "services/preprocess/text/prompt.h"

namespace shoal::preprocess {

// A recording of the voice and what is said in it.
struct Voice {
  std::string transcript;
  SharedReference reference;
};

class Conversation {
 public:
  // What one turn needs.
  struct Plan {
    Prompt prompt;
    uint32_t max_frames = 0;
  };

  // `builder` must outlive it. `max_seq_len` is in positions, prompt and generated together.
  // `max_frames` is the client's wish for every turn: there must be room for it. Without one a turn
  // has `default_max_frames`, or as many as there is room for.
  Conversation(const PromptBuilder* builder, int64_t max_seq_len,
               std::optional<uint32_t> max_frames, uint32_t default_max_frames,
               std::vector<Voice> voices);

  // The prompt after which the model speaks `text`. Where the history leaves too little room, the
  // oldest turns go until the prompt is at most half of the context: each time something goes, the
  // cached prefix is lost, so it must not be every turn. INVALID_ARGUMENT CONTEXT_TOO_LONG when the
  // turn does not fit even without a history.
  absl::StatusOr<Plan> Next(absl::string_view text);

  // A turn was spoken; `codes` are (frames, num_codebooks), as they come.
  void Add(std::string text, const std::vector<int32_t>& codes);

  size_t turns() const { return history_.size(); }  // remembered

 private:
  struct Turn {
    std::string text;
    std::vector<int32_t> codes;  // (num_codebooks, frames)
    int64_t frames;
  };

  absl::StatusOr<Prompt> Build(absl::string_view text, size_t forget) const;
  bool Fits(const Prompt& prompt) const;
  absl::Status TooLong(const Prompt& prompt) const;
  // Frames that a turn should have room for.
  int64_t wanted_frames() const;

  const PromptBuilder* builder_;
  int64_t max_seq_len_;
  std::optional<uint32_t> max_frames_;
  int64_t default_max_frames_;
  std::vector<Voice> voices_;
  std::deque<Turn> history_;  // oldest first
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_CONVERSATION_H_
