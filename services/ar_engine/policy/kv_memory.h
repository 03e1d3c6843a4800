// KvMemory: which sequence has which KV blocks, what is remembered of blocks that were given up,
// and when blocks that launched steps still name come back.
//
// Owned by the Engine, used by its model thread alone. What always holds: a block is free, known to
// the prefix cache, or a sequence's, and only positions that collected steps wrote are remembered;
// the blocks of a sequence that gives them up come back when no launched step names it any more.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_KV_MEMORY_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_KV_MEMORY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "services/ar_engine/policy/block_pool.h"
#include "services/ar_engine/policy/prefix_cache.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

class KvMemory {
 public:
  // use_cache false: nothing is remembered.
  KvMemory(int num_blocks, int num_codebooks, bool use_cache);

  // Gives a sequence blocks for the positions known so far, remembered ones as far as there are
  // any. Returns 0, or how many blocks are missing; then nothing has changed. REQUIRES: it has
  // none.
  int Start(Sequence& sequence);
  // Gives it blocks for `positions` more than are launched; otherwise as above.
  int Extend(Sequence& sequence, int positions);
  // Makes the whole blocks that it has written known to others while it goes on.
  void Remember(const Sequence& sequence) { Insert(sequence, PrefixCache::Caller::kGoesOn); }

  // Takes the sequence's blocks away: it has to start again. It must not be launched until it has
  // none. It lives until Settle() says so, or is passed to Retire().
  void TakeBack(Sequence* sequence);
  // The sequence has ended.
  void Retire(std::unique_ptr<Sequence> sequence);
  // Some step was collected: what it alone named comes back.
  void Settle();

  int arriving() const;  // blocks that come back when the steps in flight are collected
  // Grows whenever a block comes back: a Start() that failed before may succeed.
  uint64_t returns() const { return returns_; }
  uint64_t taken_back() const { return taken_back_; }  // calls of TakeBack()
  const BlockPool& blocks() const { return blocks_; }
  const PrefixCache& cache() const { return cache_; }

 private:
  // So many free blocks after evicting what must be; none when there are too few.
  std::optional<std::vector<BlockRef>> Allocate(int count);
  int available() const;
  void Insert(const Sequence& sequence, PrefixCache::Caller caller);
  void Release(Sequence& sequence);

  BlockPool blocks_;  // outlives all that hold blocks
  PrefixCache cache_;
  const bool use_cache_;
  std::vector<Sequence*> giving_up_;                // named by a launched step
  std::vector<std::unique_ptr<Sequence>> retired_;  // the same, and ended
  uint64_t returns_ = 0, taken_back_ = 0;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_KV_MEMORY_H_
