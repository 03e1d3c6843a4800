// EvictionOrder: which of the blocks that the prefix cache knows may go, and which of them goes
// first.
//
// The known blocks form trees: a block's parent holds the positions before its own. A block is
// shared while somebody beside the cache has a BlockRef of it, busy while it or a block below it is
// shared, else idle. Only idle blocks without children may go, so what is shared keeps all that
// stands before it. The order: not pinned before pinned, least recently used first. (A use is of a
// whole path from a root, so of the blocks without children no two were used last at one time.)
//
// Nobody tells when a share of a block is given back, so the blocks handed out are looked at again
// (NoteReturns) before anything is asked. That costs a look at the lowest shared block of each
// path, of which a running sequence has at most one, and a constant time for every block that came
// back; all else costs a logarithm at most, and nothing recurses, however long a path is.
//
// Owned by the PrefixCache, used by the engine's model thread alone.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_EVICTION_ORDER_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_EVICTION_ORDER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "services/ar_engine/policy/block_pool.h"

namespace shoal::engine {

class EvictionOrder {
 public:
  static constexpr int32_t kRoot = -1;  // the parent of a block that holds the first positions

  // `pool` outlives this. At most `max_pinned` blocks are pinned.
  EvictionOrder(const BlockPool* pool, int max_pinned);

  // What is used from here on was used later than all before.
  void BeginUse() { ++now_; }
  // A block below `parent`, idle and used now. REQUIRES: not known; the parent is used now.
  void Add(int32_t block, int32_t parent);
  // REQUIRES: the parent is used now.
  void Use(int32_t block);
  // Somebody beside the cache has a share of it now.
  void Lend(int32_t block);
  // If its parent is pinned, or it has none. Beyond max_pinned the least recently used end of a
  // pinned path is pinned no longer.
  void Pin(int32_t block);

  void NoteReturns();
  // These hold as of the last NoteReturns().
  std::optional<int32_t> First() const;  // the block that goes first
  int idle() const { return idle_; }     // as many could go one after the other
  // REQUIRES: it is First().
  void Remove(int32_t block);

  bool knows(int32_t block) const { return blocks_[block].known; }
  int32_t parent(int32_t block) const { return blocks_[block].parent; }
  int pinned() const { return pinned_; }

 private:
  struct Block {
    bool known = false;
    bool lent = false;  // may be shared; what is not lent is not shared
    bool pinned = false;
    int32_t parent = kRoot;
    int children = 0, busy_children = 0, pinned_children = 0;
    uint64_t used = 0;   // when last
    size_t lookout = 0;  // where it stands in lookout_
    bool busy() const { return lent || busy_children > 0; }
  };

  // In the order in which blocks go: (pinned, used, id).
  using Rank = std::tuple<bool, uint64_t, int32_t>;

  Rank RankOf(int32_t block) const;
  // Every change of a block goes through this: it keeps the lists below true.
  template <typename Change>
  void Update(int32_t block, Change change);
  void List(int32_t block);
  void Unlist(int32_t block);
  void SetLent(int32_t block, bool lent);
  void SetPinned(int32_t block, bool pinned);

  const BlockPool* const pool_;
  const int max_pinned_;
  std::vector<Block> blocks_;  // by id
  uint64_t now_ = 0;
  int idle_ = 0, pinned_ = 0;
  std::set<Rank> leaves_;                               // idle ones without children
  std::set<std::pair<uint64_t, int32_t>> pinned_ends_;  // pinned ones without pinned children
  std::vector<int32_t> lookout_;                        // lent ones without busy children
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_EVICTION_ORDER_H_
