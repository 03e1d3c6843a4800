// What a tokenizer.json says, read strictly: everything in the file is understood or refused.
//
// Plain values that the caller owns.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_FILE_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_FILE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/preprocess/text/bpe.h"
#include "services/preprocess/text/pre_tokenizer.h"
#include "services/preprocess/text/tokenizer_added_tokens.h"

namespace shoal::preprocess {

struct TokenizerFile {
  std::vector<AddedToken> added_tokens;
  bool nfc = false;
  std::optional<PreTokenizer> pre_tokenizer;  // always there once read
  Vocabulary vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;
  bool ignore_merges = false;
};

// INVALID_ARGUMENT naming the JSON path of the first thing that is malformed or unknown.
absl::StatusOr<TokenizerFile> ReadTokenizerFile(absl::string_view json);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_FILE_H_
