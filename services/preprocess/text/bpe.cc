#include "services/preprocess/text/bpe.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace shoal::preprocess {
namespace {

constexpr uint32_t kNone = 0xFFFFFFFF;

uint64_t PairKey(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

// The byte-level alphabet, one UTF-8 string a byte. Bytes that print stand for themselves; the
// others take U+0100, U+0101, ... in their order.
std::array<std::string, 256> ByteLevelAlphabet() {
  std::array<std::string, 256> alphabet;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const uint32_t c = prints ? byte : next++;
    if (c < 0x80) {
      alphabet[byte] = std::string(1, static_cast<char>(c));
    } else {
      alphabet[byte] = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    }
  }
  return alphabet;
}

}  // namespace

std::string ToByteLevel(absl::string_view bytes) {
  static const std::array<std::string, 256> alphabet = ByteLevelAlphabet();
  std::string mapped;
  mapped.reserve(bytes.size() * 2);
  for (const char byte : bytes) mapped += alphabet[static_cast<uint8_t>(byte)];
  return mapped;
}

absl::StatusOr<Bpe> Bpe::Create(Vocabulary vocabulary,
                                absl::Span<const std::pair<std::string, std::string>> merges,
                                bool ignore_merges, const absl::flat_hash_set<int32_t>& added) {
  Bpe bpe;
  bpe.vocabulary_ = std::move(vocabulary);
  bpe.ignore_merges_ = ignore_merges;
  bpe.added_ = added;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string symbol = ToByteLevel(std::string(1, static_cast<char>(byte)));
    const std::optional<int32_t> id = bpe.Find(symbol);
    if (!id) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "model.vocab: no entry \"%s\", the byte 0x%02x, where all 256 are needed", symbol, byte));
    }
    bpe.byte_ids_[byte] = *id;
  }
  bpe.merges_.reserve(merges.size());
  bpe.merged_ids_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    const std::string together = absl::StrCat(left, right);
    for (const std::string* entry : {&left, &right, &together}) {
      if (!bpe.vocabulary_.contains(*entry)) {
        return absl::InvalidArgumentError(
            absl::StrFormat("model.merges[%d]: \"%s\" is not in model.vocab", i, *entry));
      }
    }
    const int32_t id = bpe.vocabulary_[together];
    // Of a pair listed twice the last counts, as in the Hugging Face library.
    bpe.merges_[PairKey(bpe.vocabulary_[left], bpe.vocabulary_[right])] = {static_cast<uint32_t>(i),
                                                                           id, added.contains(id)};
    bpe.merged_ids_.push_back(id);
  }
  return bpe;
}

std::optional<int32_t> Bpe::Find(absl::string_view entry) const {
  const auto found = vocabulary_.find(entry);
  if (found == vocabulary_.end()) return std::nullopt;
  return found->second;
}

const Bpe::Merge* Bpe::FindMerge(int32_t left, int32_t right, AddedTokens added) const {
  const auto found = merges_.find(PairKey(left, right));
  if (found == merges_.end()) return nullptr;
  if (found->second.added && added == AddedTokens::kNever) return nullptr;
  return &found->second;
}

void Bpe::Enqueue(uint32_t left, AddedTokens added, Scratch& scratch) const {
  const Scratch::Symbol& symbol = scratch.symbols[left];
  if (symbol.next == kNone) return;
  const Merge* merge = FindMerge(symbol.id, scratch.symbols[symbol.next].id, added);
  if (merge != nullptr) scratch.queue.Push({merge->rank, left});
}

void Bpe::Append(absl::string_view word, AddedTokens added, Scratch& scratch,
                 std::vector<int32_t>& ids) const {
  if (word.empty()) return;
  if (ignore_merges_) {
    const std::optional<int32_t> id = Find(ToByteLevel(word));
    if (id && (added == AddedTokens::kAllowed || !added_.contains(*id))) {
      ids.push_back(*id);
      return;
    }
  }
  std::vector<Scratch::Symbol>& symbols = scratch.symbols;
  const uint32_t size = static_cast<uint32_t>(word.size());
  symbols.resize(size);
  for (uint32_t i = 0; i < size; ++i) {
    symbols[i] = {byte_ids_[static_cast<uint8_t>(word[i])], i == 0 ? kNone : i - 1,
                  i + 1 == size ? kNone : i + 1};
  }
  for (uint32_t i = 0; i < size; ++i) Enqueue(i, added, scratch);
  while (!scratch.queue.empty()) {
    const auto [rank, at] = scratch.queue.Pop();
    Scratch::Symbol& left = symbols[at];
    if (left.id < 0 || left.next == kNone) continue;
    const uint32_t right = left.next;
    // The pair may have changed since it was queued. As in the Hugging Face library, what it makes
    // is compared, not its rank.
    const Merge* merge = FindMerge(left.id, symbols[right].id, added);
    if (merge == nullptr || merge->id != merged_ids_[rank]) continue;
    left.id = merge->id;
    left.next = symbols[right].next;
    symbols[right].id = -1;
    if (left.next != kNone) symbols[left.next].previous = at;
    if (left.previous != kNone) Enqueue(left.previous, added, scratch);
    Enqueue(at, added, scratch);
  }
  for (uint32_t i = 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace shoal::preprocess
