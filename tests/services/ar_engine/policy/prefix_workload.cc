#include "tests/services/ar_engine/policy/prefix_workload.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {
namespace {

constexpr int kBlock = FrameModel::kBlockPositions;
constexpr int kCodebooks = 3;
constexpr int kMostBlocks = 7;  // of a prompt

uint64_t ConstantHash(absl::Span<const int32_t>) { return 7; }

std::vector<int32_t> Ids(absl::Span<const BlockRef> blocks) {
  std::vector<int32_t> ids;
  for (const BlockRef& block : blocks) ids.push_back(block.id());
  return ids;
}

std::string Differ(const std::string& what, int64_t found, int64_t expected) {
  if (found == expected) return "";
  return absl::StrCat(what, " is ", found, ", should be ", expected);
}

std::string Differ(const std::string& what, const std::vector<int32_t>& found,
                   const std::vector<int32_t>& expected) {
  if (found == expected) return "";
  return absl::StrCat(what, " is {", absl::StrJoin(found, ","), "}, should be {",
                      absl::StrJoin(expected, ","), "}");
}

}  // namespace

PrefixWorkload::PrefixWorkload(const Options& options, Choose choose)
    : choose_(std::move(choose)),
      pool_(options.blocks),
      cache_(&pool_, kCodebooks,
             {.hash = options.constant_hash ? ConstantHash : nullptr,
              .max_pinned = options.max_pinned}),
      model_(options.max_pinned) {}

PrefixWorkload::Prompt PrefixWorkload::ChoosePrompt() {
  const int length = static_cast<int>(choose_(kMostBlocks * kBlock + 1));
  Prompt prompt;
  for (int i = 0; i < length; ++i) prompt.token_ids.push_back(i % 5);
  for (int i = 0; i < length * kCodebooks; ++i) prompt.codes.push_back(i % 3);
  // Which number is changed in each block, if any.
  for (int block = 0; block * kBlock < length; ++block) {
    const int last = std::min((block + 1) * kBlock, length) - 1;
    switch (choose_(6)) {
      case 0:
        prompt.token_ids[block * kBlock] += 10;
        break;
      case 1:
        prompt.codes[last * kCodebooks + kCodebooks - 1] += 10;
        break;
      case 2:
        prompt.codes[last * kCodebooks] += 10;
        break;
      default:
        break;
    }
  }
  for (int end = kBlock; end <= length; end += kBlock) {
    PrefixModel::Content content(prompt.token_ids.begin() + end - kBlock,
                                 prompt.token_ids.begin() + end);
    content.insert(content.end(), prompt.codes.begin() + (end - kBlock) * kCodebooks,
                   prompt.codes.begin() + end * kCodebooks);
    prompt.contents.push_back(std::move(content));
  }
  return prompt;
}

std::string PrefixWorkload::Step() {
  std::string wrong;
  switch (choose_(8)) {
    case 0:
    case 1:
      wrong = Start();
      break;
    case 2:
      wrong = StartAlone();
      break;
    case 3:
    case 4:
      wrong = EndTurn();
      break;
    case 5:
      wrong = DropSome();
      break;
    case 6:
      wrong = Evict(static_cast<int>(choose_(6)));
      break;
    default:
      wrong = InsertForeign();
  }
  return wrong.empty() ? Check() : wrong;
}

std::string PrefixWorkload::Start() {
  Sequence sequence{ChoosePrompt(), {}};
  Prompt& prompt = sequence.prompt;
  const int limit = static_cast<int>(choose_(static_cast<uint32_t>(prompt.token_ids.size() + 1)));
  sequence.blocks = cache_.Match(prompt.token_ids, prompt.codes, limit);
  std::string wrong =
      Differ("the match", Ids(sequence.blocks),
             model_.Match({prompt.contents.begin(), prompt.contents.begin() + limit / kBlock}));
  sequences_.push_back(std::move(sequence));
  return wrong.empty() ? Take(sequences_.back()) : wrong;
}

std::string PrefixWorkload::StartAlone() {
  sequences_.push_back({ChoosePrompt(), {}});
  return Take(sequences_.back());
}

std::string PrefixWorkload::Take(Sequence& sequence) {
  const int lacking = static_cast<int>(sequence.prompt.contents.size() - sequence.blocks.size());
  const std::string wrong = lacking > pool_.free() ? Evict(lacking - pool_.free()) : "";
  std::optional<std::vector<BlockRef>> blocks = pool_.Allocate(std::min(lacking, pool_.free()));
  for (BlockRef& block : *blocks) sequence.blocks.push_back(std::move(block));
  return wrong;
}

std::string PrefixWorkload::EndTurn() {
  if (sequences_.empty()) return "";
  const size_t which = choose_(static_cast<uint32_t>(sequences_.size()));
  const Sequence& sequence = sequences_[which];
  const Prompt& prompt = sequence.prompt;
  const int pinned = choose_(3) == 0 ? static_cast<int>(choose_(prompt.token_ids.size() + 1)) : 0;
  cache_.Insert(prompt.token_ids, prompt.codes, sequence.blocks, pinned);
  model_.Insert(prompt.contents, Ids(sequence.blocks), pinned / kBlock);
  if (choose_(4) != 0) Erase(which);
  return "";
}

std::string PrefixWorkload::InsertForeign() {
  if (sequences_.empty()) return "";
  const Sequence& sequence = sequences_[choose_(static_cast<uint32_t>(sequences_.size()))];
  const Prompt prompt = ChoosePrompt();
  cache_.Insert(prompt.token_ids, prompt.codes, sequence.blocks);
  model_.Insert(prompt.contents, Ids(sequence.blocks), 0);
  return "";
}

std::string PrefixWorkload::DropSome() {
  if (sequences_.empty()) return "";
  const size_t which = choose_(static_cast<uint32_t>(sequences_.size()));
  std::vector<BlockRef>& blocks = sequences_[which].blocks;
  if (blocks.empty() || choose_(2) == 0) {
    Erase(which);
    return "";
  }
  // What remains is no prefix of anything, so it is offered no more.
  const size_t kept = choose_(static_cast<uint32_t>(blocks.size()));
  std::swap(blocks[0], blocks[kept]);
  blocks.erase(blocks.begin() + 1, blocks.end());
  sequences_[which].prompt = {};
  return "";
}

void PrefixWorkload::Erase(size_t sequence) { sequences_.erase(sequences_.begin() + sequence); }

std::string PrefixWorkload::Evict(int count) {
  std::vector<bool> was_used(pool_.total());
  for (int32_t id = 0; id < pool_.total(); ++id) was_used[id] = pool_.references(id) > 0;
  const int freed = cache_.Evict(count);
  std::vector<int32_t> gone, expected = model_.Evict(count, Holders());
  for (int32_t id = 0; id < pool_.total(); ++id) {
    if (was_used[id] && pool_.references(id) == 0) gone.push_back(id);
  }
  std::string wrong = Differ("the number evicted", freed, static_cast<int64_t>(expected.size()));
  std::sort(expected.begin(), expected.end());
  return wrong.empty() ? Differ("what was evicted", gone, expected) : wrong;
}

PrefixModel::Holders PrefixWorkload::Holders() const {
  PrefixModel::Holders holders(pool_.total());
  for (const Sequence& sequence : sequences_) {
    for (const BlockRef& block : sequence.blocks) ++holders[block.id()];
  }
  return holders;
}

std::string PrefixWorkload::Check() {
  const PrefixModel::Holders holders = Holders();
  for (int32_t id = 0; id < pool_.total(); ++id) {
    const std::string wrong = Differ(absl::StrCat("the number of shares in block ", id),
                                     pool_.references(id), holders[id] + model_.Knows(id));
    if (!wrong.empty()) return wrong;
  }
  std::string wrong = Differ("size()", cache_.size(), model_.size());
  if (wrong.empty()) wrong = Differ("pinned()", cache_.pinned(), model_.Pinned());
  if (wrong.empty()) wrong = Differ("evictable()", cache_.evictable(), model_.Evictable(holders));
  const PrefixCache::Stats& stats = cache_.stats();
  if (wrong.empty()) {
    wrong = Differ("inserted - evicted", static_cast<int64_t>(stats.inserted - stats.evicted),
                   cache_.size());
  }
  return wrong;
}

std::string PrefixWorkload::Finish() {
  sequences_.clear();
  std::string wrong = Check();
  const int size = cache_.size();
  if (wrong.empty()) wrong = Differ("evictable() of an idle cache", cache_.evictable(), size);
  if (wrong.empty()) wrong = Differ("what the last Evict() freed", cache_.Evict(size), size);
  if (wrong.empty()) wrong = Differ("the number of free blocks", pool_.free(), pool_.total());
  return wrong;
}

}  // namespace shoal::engine
