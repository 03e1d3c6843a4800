// Cuts normalised text into the words that BPE works on, as tokenizer.json's "pre_tokenizer" says:
// any number of Split stages, then one ByteLevel stage.
//
// Immutable once built; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_H_

#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/preprocess/text/pre_tokenizer_pattern.h"

namespace shoal::preprocess {

class PreTokenizer {
 public:
  // What a Split stage does with the text that its pattern matches.
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

  struct Split {
    Pattern pattern;
    Behavior behavior;
    bool invert;  // matched and unmatched change places
  };
  struct ByteLevel {
    bool add_prefix_space;
    std::optional<Pattern> pattern;  // isolates its matches
  };

  PreTokenizer(std::vector<Split> splits, ByteLevel byte_level)
      : splits_(std::move(splits)), byte_level_(std::move(byte_level)) {}

  // Calls `word` for every word in order. The views live as long as the call.
  // REQUIRES: valid UTF-8.
  absl::Status ForEachWord(absl::string_view text,
                           absl::FunctionRef<void(absl::string_view)> word) const;

 private:
  std::vector<Split> splits_;
  ByteLevel byte_level_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_PRE_TOKENIZER_H_
