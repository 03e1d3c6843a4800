// PrefixCache: the KV blocks of positions that were computed before, so that a prompt which begins
// like an earlier one (a voice, the turns of a dialogue) computes only its rest. A tree in which a
// node is one whole block of FrameModel::kBlockPositions positions and its children continue it.
//
// The key of a position is its token id and ALL of its codebooks: two voices that share semantic
// codes must never share KV. Keys are compared; their hash only says where to look. A block is
// found only behind the positions it was computed behind.
//
// Owned by the Engine, used by its model thread alone; holds one share of every block it knows.
// What always holds: a block is known at one place; what is known begins at position 0 without
// gaps; evicting never takes a block that anybody else has a share of, nor one that stands before
// such a block.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_PREFIX_CACHE_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_PREFIX_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/types/span.h"
#include "services/ar_engine/policy/block_pool.h"
#include "services/ar_engine/policy/eviction_order.h"

namespace shoal::engine {

class PrefixCache {
 public:
  struct Options {
    // Of a block's key, see AssembleKey. Null: seeded anew in every process, so that nobody can
    // send prompts that collide.
    std::function<uint64_t(absl::Span<const int32_t>)> hash = nullptr;
    // Blocks. Voices beyond that leave like everything else, or else they would push out every
    // dialogue, used or not. Unset: half of the pool.
    std::optional<int> max_pinned;
  };

  struct Stats {                                 // since the start
    uint64_t lookups = 0, lookup_positions = 0;  // calls of Match(), and their limits
    uint64_t hit_positions = 0;                  // of lookup_positions
    uint64_t inserted = 0, evicted = 0;          // blocks
  };

  // `pool` outlives this.
  PrefixCache(BlockPool* pool, int num_codebooks) : PrefixCache(pool, num_codebooks, Options()) {}
  PrefixCache(BlockPool* pool, int num_codebooks, Options options);
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The blocks of the longest known prefix of the first `limit` positions, as far as it fills whole
  // blocks; marks them used now. A prompt's limit is its length - 1: the last position must run.
  // token_ids: (length), codes: (length, num_codebooks), zero where the token is not semantic.
  std::vector<BlockRef> Match(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes,
                              int limit);

  // What the caller of Insert() does with its blocks afterwards.
  enum class Caller {
    kLeaves,  // gives them up
    // Keeps them. Where a block that is not its own stands before its own, what follows does not
    // become known yet: it would keep those before it from being evicted, though only the cache has
    // a share of them.
    kGoesOn,
  };

  // Makes known the positions that fill whole blocks of `blocks`, and marks their blocks used now:
  // - where these positions are known already, the known block stays, and the caller's own block of
  //   them, if it is another one, stays the caller's alone;
  // - where they differ from everything known, even by one codebook of a block's last position,
  //   the caller's blocks from there on become known, as a branch;
  // - less than what is known makes nothing known and takes nothing away.
  // The whole blocks of the first `pinned` positions are evicted last from now on.
  // REQUIRES: blocks[i] holds the KV of positions i * 16 to i * 16 + 15, all of them computed. (A
  // block that is known already behind other positions ends what becomes known.)
  void Insert(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes,
              absl::Span<const BlockRef> blocks, int pinned = 0, Caller caller = Caller::kLeaves);

  // Frees up to `count` blocks: of those that nobody else has a share of and that nothing known
  // continues, first those that are not pinned, least recently used first. Returns how many.
  int Evict(int count);

  // How many blocks Evict() could free now. Does not walk the tree: see EvictionOrder.
  int evictable() const;
  int size() const { return size_; }                    // blocks known
  int pinned() const { return order_.pinned(); }        // of them
  size_t bytes() const { return size_ * node_bytes_; }  // of host memory: keys and what finds them
  const Stats& stats() const { return stats_; }

 private:
  // What a block is known by. Its parent is in order_.
  struct Node {
    std::optional<BlockRef> block;  // set: known
    std::vector<int32_t> key;
    uint64_t hash = 0;
    int32_t next_alike = kNone;  // the next child of the same parent with the same hash
  };
  // Where to look for a block: below its parent.
  struct Place {
    int32_t parent;
    uint64_t hash;
    bool operator==(const Place&) const = default;
  };
  struct HashOfPlace {
    size_t operator()(const Place& place) const;
  };
  static constexpr int32_t kNone = -1;

  // Puts the key of the block at `index` into key_ and its hash into hash_.
  void AssembleKey(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes, int index);
  // The child of `parent` that key_ is the key of, or kNone.
  int32_t Find(int32_t parent) const;
  void Add(const BlockRef& block, int32_t parent);
  void Remove(int32_t block);

  const int num_codebooks_;
  const size_t node_bytes_;
  std::function<uint64_t(absl::Span<const int32_t>)> hash_of_;
  std::vector<Node> nodes_;                                 // by block id
  std::unordered_map<Place, int32_t, HashOfPlace> places_;  // the first of those alike
  mutable EvictionOrder order_;  // notices what was given back only when it is asked
  int size_ = 0;
  Stats stats_;
  std::vector<int32_t> key_;
  uint64_t hash_ = 0;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_PREFIX_CACHE_H_
