// Byte-pair encoding of one word: its bytes become tokens, neighbours are merged in the order of
// the merge list.
//
// Immutable once built; any thread. What a call needs beside it is in the caller's Scratch. The
// result is that of always merging the leftmost pair of the lowest rank. The time is n log n at
// worst, and about n where the same pairs come again and again.
#ifndef SHOAL_SERVICES_PREPROCESS_TEXT_BPE_H_
#define SHOAL_SERVICES_PREPROCESS_TEXT_BPE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/preprocess/text/bpe_queue.h"

namespace shoal::preprocess {

// A vocabulary entry as tokenizer.json writes it: every byte is one character of the byte-level
// alphabet (printable ASCII and Latin-1 stand for themselves, the rest are U+0100 and up).
using Vocabulary = absl::flat_hash_map<std::string, int32_t>;

// `bytes` in the byte-level alphabet.
std::string ToByteLevel(absl::string_view bytes);

class Bpe {
 public:
  // Whether entries that are also added tokens may come out.
  enum class AddedTokens { kAllowed, kNever };

  class Scratch {
    friend class Bpe;
    struct Symbol {
      int32_t id;  // -1: merged into its left neighbour
      uint32_t previous, next;
    };
    std::vector<Symbol> symbols;
    PairQueue queue;
  };

  // `merges` are pairs of entries, first merged first. `added` are the ids that are added tokens.
  // INVALID_ARGUMENT naming model.vocab or model.merges[i] when an entry is missing.
  static absl::StatusOr<Bpe> Create(Vocabulary vocabulary,
                                    absl::Span<const std::pair<std::string, std::string>> merges,
                                    bool ignore_merges, const absl::flat_hash_set<int32_t>& added);

  // Appends the tokens of `word`, any bytes fewer than 2^31.
  void Append(absl::string_view word, AddedTokens added, Scratch& scratch,
              std::vector<int32_t>& ids) const;

  std::optional<int32_t> Find(absl::string_view entry) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t id;  // of the two together
    bool added;  // that id is an added token's
  };

  Bpe() = default;

  const Merge* FindMerge(int32_t left, int32_t right, AddedTokens added) const;
  void Enqueue(uint32_t left, AddedTokens added, Scratch& scratch) const;

  Vocabulary vocabulary_;
  std::array<int32_t, 256> byte_ids_{};
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by left id << 32 | right id
  std::vector<int32_t> merged_ids_;              // by rank
  absl::flat_hash_set<int32_t> added_;
  bool ignore_merges_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_TEXT_BPE_H_
