// Lays out what the model is given: references, the turns spoken so far, the new text.
//
// The caller owns everything handed in; a PromptBuilder keeps a pointer to its Tokenizer, which
// must outlive it. It is immutable: any thread. A prompt always ends where the model's first frame
// belongs, and its two arrays are always of one length.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_PROMPT_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_PROMPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/preprocess/text/tokenizer.h"
#include "services/preprocess/text/turns.h"

namespace shoal::preprocess {

// Audio as codes.
struct CodesView {
  absl::Span<const int32_t> values;  // (num_codebooks, frames) row-major
  int64_t frames = 0;
};

// A recording of a voice, already encoded.
struct Reference {
  absl::string_view transcript;  // UTF-8; empty = unknown
  CodesView codes;
};

// A turn that was spoken: its text and the audio generated for it, of any length.
struct SpokenTurn {
  absl::string_view text;
  CodesView codes;
};

struct Prompt {
  std::vector<int32_t> token_ids;  // (length)
  std::vector<int32_t> codes;  // (num_codebooks, length) row-major; 0 outside semantic positions
  // Positions of the system message, which holds the voice: the same in every turn of every call
  // with these references; without any, in every such call.
  int64_t system_length = 0;

  int64_t length() const { return static_cast<int64_t>(token_ids.size()); }
};

// The numbers of a checkpoint that a prompt depends on (checkpoint::ModelConfig has them).
struct PromptVocabulary {
  int64_t semantic_start = 0;
  int64_t semantic_end = 0;  // inclusive
  int64_t num_codebooks = 0;
  int64_t codebook_entries = 0;  // ModelConfig::audio.vocab_size: codes are below it
};

// Where a server must differ from the published reference. The defaults are the server's.
struct PromptOptions {
  // How literals of added tokens inside references and turns are read.
  ControlTokens client_text = ControlTokens::kAsText;
  // Text before the first speaker tag of a dialogue.
  LeadingText leading_text = LeadingText::kKeep;

  // What the model's authors do: tokens are parsed, leading text is dropped.
  static PromptOptions LikeTheAuthors() { return {ControlTokens::kParse, LeadingText::kDrop}; }
};

class PromptBuilder {
 public:
  // INVALID_ARGUMENT when the tokenizer and the numbers do not fit: a control token is missing, or
  // <|semantic:i|> is not semantic_start + i.
  static absl::StatusOr<PromptBuilder> Create(const Tokenizer* tokenizer,
                                              const PromptVocabulary& vocabulary,
                                              const PromptOptions& options = {});

  // The prompt after which the model speaks `text`. INVALID_ARGUMENT naming the part, e.g.
  // "references[1].codes[0][17]", when codes are not of the vocabulary or a text is not UTF-8.
  absl::StatusOr<Prompt> Build(absl::Span<const Reference> references,
                               absl::Span<const SpokenTurn> history, absl::string_view text) const;

  // The user turns that a whole text makes; Build is called for each in order, with the earlier
  // ones in the history.
  std::vector<std::string> Batches(absl::string_view text, int64_t chunk_length,
                                   int max_turns = kMaxTurnsPerBatch) const;

  const PromptVocabulary& vocabulary() const { return vocabulary_; }

 private:
  // Token runs that every prompt is made of, each tokenised on its own.
  struct Literals {
    std::vector<int32_t> system_start, user_start, assistant_start;  // <|im_start|>ROLE\n
    std::vector<int32_t> message_end;                                // <|im_end|>\n
    std::vector<int32_t> plain_instruction;
    std::vector<int32_t> reference_instruction, before_speech;
  };
  class Layout;

  PromptBuilder(const Tokenizer* tokenizer, const PromptVocabulary& vocabulary,
                const PromptOptions& options, Literals literals);

  absl::Status CheckCodes(const CodesView& codes, absl::string_view name) const;

  const Tokenizer* tokenizer_;
  PromptVocabulary vocabulary_;
  PromptOptions options_;
  Literals literals_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_PROMPT_H_
