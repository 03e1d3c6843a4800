#include "services/ar_engine/policy/kv_memory.h"

#include <algorithm>
#include <utility>

namespace shoal::engine {

KvMemory::KvMemory(int num_blocks, int num_codebooks, bool use_cache)
    : blocks_(num_blocks), cache_(&blocks_, num_codebooks), use_cache_(use_cache) {}

int KvMemory::available() const { return blocks_.free() + cache_.evictable(); }

std::optional<std::vector<BlockRef>> KvMemory::Allocate(int count) {
  if (count > blocks_.free()) cache_.Evict(count - blocks_.free());
  return blocks_.Allocate(count);
}

int KvMemory::Start(Sequence& sequence) {
  const Request& request = sequence.request();
  std::vector<BlockRef> cached;
  if (use_cache_) {
    cached = cache_.Match(request.token_ids, request.codes, sequence.length() - 1);
  }
  const int count = BlocksFor(sequence.length()) - static_cast<int>(cached.size());
  if (const int missing = count - available(); missing > 0) return missing;
  sequence.Start(std::move(cached));
  sequence.AddBlocks(*Allocate(count));
  return 0;
}

int KvMemory::Extend(Sequence& sequence, int positions) {
  const int count =
      BlocksFor(sequence.launched() + positions) - static_cast<int>(sequence.blocks().size());
  if (count <= 0) return 0;
  if (const int missing = count - available(); missing > 0) return missing;
  sequence.AddBlocks(*Allocate(count));
  return 0;
}

void KvMemory::Insert(const Sequence& sequence, PrefixCache::Caller caller) {
  if (!use_cache_ || !sequence.kv_usable()) return;
  const Request& request = sequence.request();
  const size_t positions = sequence.kv_length();
  const size_t whole = positions / FrameModel::kBlockPositions;
  if (whole == 0) return;
  const size_t num_codebooks = request.codes.size() / request.token_ids.size();
  cache_.Insert(absl::MakeConstSpan(request.token_ids).first(positions),
                absl::MakeConstSpan(request.codes).first(positions * num_codebooks),
                sequence.blocks().first(whole), request.pinned_length, caller);
}

void KvMemory::TakeBack(Sequence* sequence) {
  ++taken_back_;
  if (sequence->in_flight() == 0) return Release(*sequence);
  sequence->gives_up_blocks = true;
  giving_up_.push_back(sequence);
}

void KvMemory::Retire(std::unique_ptr<Sequence> sequence) {
  std::erase(giving_up_, sequence.get());
  if (sequence->in_flight() == 0) return Release(*sequence);
  retired_.push_back(std::move(sequence));
}

void KvMemory::Settle() {
  std::erase_if(giving_up_, [this](Sequence* sequence) {
    if (sequence->in_flight() > 0) return false;
    Release(*sequence);
    return true;
  });
  std::erase_if(retired_, [this](const std::unique_ptr<Sequence>& sequence) {
    if (sequence->in_flight() > 0) return false;
    Release(*sequence);
    return true;
  });
}

int KvMemory::arriving() const {
  size_t count = 0;
  for (const Sequence* sequence : giving_up_) count += sequence->blocks().size();
  for (const auto& sequence : retired_) count += sequence->blocks().size();
  return static_cast<int>(count);
}

void KvMemory::Release(Sequence& sequence) {
  if (!sequence.has_blocks()) return;
  Insert(sequence, PrefixCache::Caller::kLeaves);
  sequence.DropBlocks();
  ++returns_;
}

}  // namespace shoal::engine
