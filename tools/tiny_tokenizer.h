// A small tokenizer.json in S2 Pro's form: byte-level BPE over 256 byte tokens and a few merges,
// NFC, Qwen's split regex, and S2 Pro's added tokens with one <|semantic:i|> per entry. It takes
// any text.
#ifndef SHOAL_TOOLS_TINY_TOKENIZER_H_
#define SHOAL_TOOLS_TINY_TOKENIZER_H_

#include <cstdint>
#include <string>

namespace shoal::tools {

// Ids that the tokenizer gives to what a model's configuration names.
struct TinyTokenIds {
  int64_t eos = 0;  // <|im_end|>
  int64_t pad = 0;
  int64_t audio_pad = 0;
  int64_t semantic_start = 0;  // the semantic tokens come last
};

TinyTokenIds TinyTokens();

// The text of the file.
std::string TinyTokenizerJson(int64_t semantic_entries);

}  // namespace shoal::tools

#endif  // SHOAL_TOOLS_TINY_TOKENIZER_H_
