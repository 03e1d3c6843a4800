// BlockPool: the KV blocks of the model as numbers with reference counts. A block is free, or held
// by one or more BlockRefs; the last one to go frees it.
//
// Owned by the Engine, used by its model thread alone, and outlives every BlockRef it gave out.
// What always holds: free() + used() == total(), and no free block has a BlockRef.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_BLOCK_POOL_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_BLOCK_POOL_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace shoal::engine {

class BlockPool;

// A share in one block. Move-only: Share() makes another one on purpose.
class BlockRef {
 public:
  BlockRef(BlockRef&& other) noexcept
      : pool_(std::exchange(other.pool_, nullptr)), id_(other.id_) {}
  BlockRef& operator=(BlockRef&& other) noexcept;
  ~BlockRef() { Release(); }

  int32_t id() const { return id_; }  // 0..total() - 1
  BlockRef Share() const;

 private:
  friend class BlockPool;
  BlockRef(BlockPool* pool, int32_t id) : pool_(pool), id_(id) {}
  void Release();

  BlockPool* pool_;  // null: moved from
  int32_t id_;
};

class BlockPool {
 public:
  explicit BlockPool(int total);
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // All `count` blocks, or none when fewer are free.
  std::optional<std::vector<BlockRef>> Allocate(int count);

  int total() const { return static_cast<int>(references_.size()); }
  int free() const { return static_cast<int>(free_.size()); }
  int used() const { return total() - free(); }
  int references(int32_t id) const { return references_[id]; }

 private:
  friend class BlockRef;

  std::vector<int> references_;  // by block
  std::vector<int32_t> free_;    // the last one is given out next
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_BLOCK_POOL_H_
