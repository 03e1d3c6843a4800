// A tokenizer.json of any content is loaded or refused; one that loads can encode.

#include <cstdint>

#include "services/preprocess/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using shoal::preprocess::ControlTokens;
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = shoal::preprocess::Tokenizer::FromJson(json);
  if (!tokenizer.ok()) return 0;
  for (const char* text : {"", "abc <|im_end|>", "e\u0301 's\n\n42 \u6F22"}) {
    for (const ControlTokens control : {ControlTokens::kParse, ControlTokens::kAsText}) {
      const auto ids = tokenizer->Encode(text, control);
      if (!ids.ok()) continue;  // a pattern of the file's own may give up
      for (const int32_t id : *ids) {
        if (id < 0 || id >= tokenizer->vocab_size()) __builtin_trap();
      }
    }
  }
  return 0;
}
