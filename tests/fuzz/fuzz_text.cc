// Text of any bytes: it is refused, or its tokens spell it and none of them is a control token; and
// the splitter gives the same turns whatever the pieces.
//
// The first byte chooses chunk_length, the second the length of the pieces; the rest is the text.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "services/preprocess/text/text_splitter.h"
#include "services/preprocess/text/tokenizer.h"
#include "services/preprocess/text/tokenizer_nfc.h"
#include "services/preprocess/text/turns.h"
#include "services/preprocess/text/utf8.h"
#include "tests/services/preprocess/text/small_tokenizer.h"

namespace shoal::preprocess {
namespace {

void Check(bool holds) {
  if (!holds) __builtin_trap();
}

void CheckTokens(const Tokenizer& tokenizer, absl::string_view text) {
  const bool valid = !FindInvalidUtf8(text).has_value();
  const auto ids = tokenizer.Encode(text, ControlTokens::kAsText);
  Check(ids.ok() == valid);
  Check(tokenizer.Encode(text, ControlTokens::kParse).ok() == valid);
  if (!valid) return;
  std::string spelt;
  bool phonemes = false;
  for (const int32_t id : *ids) {
    if (id == 256) {
      spelt += "ab";
    } else if (id == 257) {
      spelt += "abc";
    } else if (id == kPhonemeStart || id == kPhonemeEnd) {
      phonemes = true;
    } else {
      Check(id >= 0 && id < 256);
      spelt += static_cast<char>(id);
    }
  }
  std::string storage;
  if (!phonemes) Check(*ToNfc(text, storage) == spelt);
}

struct Outcome {
  std::vector<std::string> turns;
  absl::Status status;
  bool operator==(const Outcome&) const = default;
};

Outcome Split(absl::string_view text, int64_t chunk_length, size_t piece) {
  auto splitter = TextSplitter::Create(chunk_length);
  Outcome outcome;
  const auto take = [&](absl::StatusOr<std::vector<std::string>> turns) {
    outcome.status = turns.status();
    if (!turns.ok()) return;
    for (std::string& turn : *turns) {
      Check(!turn.empty());
      Check(turn.size() <= static_cast<size_t>(chunk_length) + kMaxTurnsPerBatch - 1);
      outcome.turns.push_back(std::move(turn));
    }
  };
  while (!text.empty() && outcome.status.ok()) {
    take(splitter->Append(text.substr(0, piece)));
    text.remove_prefix(std::min(text.size(), piece));
  }
  if (outcome.status.ok()) take(splitter->Finish());
  return outcome;
}

void RunOne(const uint8_t* data, size_t size) {
  static const Tokenizer tokenizer = SmallTokenizer();
  if (size < 2) return;
  const int64_t chunk_length = 100 + data[0] * 3;
  const size_t piece = 1 + data[1] % 64;
  const absl::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  CheckTokens(tokenizer, text);
  const Outcome whole = Split(text, chunk_length, text.size() + 1);
  const Outcome pieces = Split(text, chunk_length, piece);
  Check(whole.status == pieces.status);
  // A text that turns out to be broken may have given turns before it did.
  if (whole.status.ok()) {
    Check(whole == pieces);
    DialogueBatches(text, {chunk_length});
  }
}

}  // namespace
}  // namespace shoal::preprocess

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  shoal::preprocess::RunOne(data, size);
  return 0;
}
