#include "services/ar_engine/policy/prefix_cache.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "services/ar_engine/policy/frame_model.h"

namespace shoal::engine {
namespace {

constexpr int kBlockPositions = FrameModel::kBlockPositions;

uint64_t SeededHash(absl::Span<const int32_t> key) { return absl::HashOf(key); }

}  // namespace

size_t PrefixCache::HashOfPlace::operator()(const Place& place) const {
  return absl::HashOf(place.parent, place.hash);
}

PrefixCache::PrefixCache(BlockPool* pool, int num_codebooks, Options options)
    : num_codebooks_(num_codebooks),
      node_bytes_(kBlockPositions * (1 + num_codebooks) * sizeof(int32_t) + sizeof(Node) +
                  sizeof(std::pair<Place, int32_t>) + 2 * sizeof(void*)),
      hash_of_(options.hash ? std::move(options.hash) : SeededHash),
      nodes_(pool->total()),
      order_(pool, options.max_pinned.value_or(pool->total() / 2)) {}

void PrefixCache::AssembleKey(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes,
                              int index) {
  const size_t first = static_cast<size_t>(index) * kBlockPositions;
  const auto tokens = token_ids.subspan(first, kBlockPositions);
  const auto rows = codes.subspan(first * num_codebooks_, kBlockPositions * num_codebooks_);
  key_.assign(tokens.begin(), tokens.end());
  key_.insert(key_.end(), rows.begin(), rows.end());
  hash_ = hash_of_(key_);
}

int32_t PrefixCache::Find(int32_t parent) const {
  const auto place = places_.find({parent, hash_});
  int32_t block = place == places_.end() ? kNone : place->second;
  while (block != kNone && nodes_[block].key != key_) block = nodes_[block].next_alike;
  return block;
}

std::vector<BlockRef> PrefixCache::Match(absl::Span<const int32_t> token_ids,
                                         absl::Span<const int32_t> codes, int limit) {
  limit = std::clamp(limit, 0, static_cast<int>(token_ids.size()));
  ++stats_.lookups;
  stats_.lookup_positions += limit;
  order_.BeginUse();
  std::vector<BlockRef> matched;
  int32_t parent = EvictionOrder::kRoot;
  for (int i = 0; i < limit / kBlockPositions; ++i) {
    AssembleKey(token_ids, codes, i);
    const int32_t block = Find(parent);
    if (block == kNone) break;
    order_.Use(block);
    order_.Lend(block);
    matched.push_back(nodes_[block].block->Share());
    parent = block;
  }
  stats_.hit_positions += matched.size() * kBlockPositions;
  return matched;
}

void PrefixCache::Insert(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes,
                         absl::Span<const BlockRef> blocks, int pinned, Caller caller) {
  const int count = static_cast<int>(std::min(token_ids.size() / kBlockPositions, blocks.size()));
  order_.BeginUse();
  int32_t parent = EvictionOrder::kRoot;
  for (int i = 0; i < count; ++i) {
    AssembleKey(token_ids, codes, i);
    int32_t block = Find(parent);
    if (block == kNone) {
      block = blocks[i].id();
      if (order_.knows(block)) return;
      Add(blocks[i], parent);
    } else if (caller == Caller::kGoesOn && block != blocks[i].id()) {
      return;
    } else {
      order_.Use(block);
    }
    if (pinned / kBlockPositions > i) order_.Pin(block);
    parent = block;
  }
}

void PrefixCache::Add(const BlockRef& block, int32_t parent) {
  Node& node = nodes_[block.id()];
  node.block = block.Share();
  node.key = key_;
  node.hash = hash_;
  int32_t& first = places_.try_emplace({parent, hash_}, kNone).first->second;
  node.next_alike = std::exchange(first, block.id());
  order_.Add(block.id(), parent);
  order_.Lend(block.id());  // the caller has a share
  ++size_;
  ++stats_.inserted;
}

void PrefixCache::Remove(int32_t block) {
  Node& node = nodes_[block];
  const auto place = places_.find({order_.parent(block), node.hash});
  int32_t* link = &place->second;
  while (*link != block) link = &nodes_[*link].next_alike;
  *link = node.next_alike;
  if (place->second == kNone) places_.erase(place);
  order_.Remove(block);
  node = Node();  // gives the share back
  --size_;
  ++stats_.evicted;
}

int PrefixCache::Evict(int count) {
  order_.NoteReturns();
  int freed = 0;
  for (; freed < count; ++freed) {
    const std::optional<int32_t> block = order_.First();
    if (!block.has_value()) break;
    Remove(*block);
  }
  return freed;
}

int PrefixCache::evictable() const {
  order_.NoteReturns();
  return order_.idle();
}

}  // namespace shoal::engine
