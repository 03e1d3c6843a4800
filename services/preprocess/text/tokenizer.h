// Text to token ids, exactly as a checkpoint's tokenizer.json says: added tokens, NFC, the split
// regex, the byte-level alphabet, BPE merges.
//
// A Tokenizer is immutable once loaded: any number of threads may call it at the same time. Time
// and memory of Encode are linear in the text (times the logarithm of its longest word).
// A tokenizer.json that asks for anything not understood here is refused by its JSON path, so what
// loads encodes as the Hugging Face library would.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::preprocess {

// What an added token's literal, e.g. "<|im_end|>", means inside a text.
enum class ControlTokens {
  // It is that token. For what the server itself writes.
  kParse,
  // It is text like any other and is spelt out by ordinary tokens, so that a client cannot close
  // its own turn. Only <|phoneme_start|> and <|phoneme_end|>, which users write on purpose, are
  // still tokens.
  kAsText,
};

class Tokenizer {
 public:
  // NOT_FOUND when there is no such file; INVALID_ARGUMENT naming the JSON path of whatever is
  // malformed or unknown.
  static absl::StatusOr<Tokenizer> Load(const std::string& path);
  // The same from the text of a tokenizer.json.
  static absl::StatusOr<Tokenizer> FromJson(absl::string_view json);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // INVALID_ARGUMENT with the byte offset when `utf8` is not valid UTF-8. Adds no token of its own.
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view utf8, ControlTokens control) const;

  // The id of an added token's literal or of a vocabulary entry (in the byte-level alphabet).
  std::optional<int32_t> TokenId(absl::string_view literal) const;

  // One more than the largest id. A checkpoint's embedding may have more rows than this.
  int64_t vocab_size() const;

 private:
  struct Parts;
  explicit Tokenizer(std::unique_ptr<const Parts> parts);

  std::unique_ptr<const Parts> parts_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_TOKENIZER_H_
