#include "services/ar_engine/policy/block_pool.h"

namespace shoal::engine {

BlockRef& BlockRef::operator=(BlockRef&& other) noexcept {
  if (this != &other) {
    Release();
    pool_ = std::exchange(other.pool_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

BlockRef BlockRef::Share() const {
  ++pool_->references_[id_];
  return BlockRef(pool_, id_);
}

void BlockRef::Release() {
  if (pool_ == nullptr) return;
  if (--pool_->references_[id_] == 0) pool_->free_.push_back(id_);
  pool_ = nullptr;
}

BlockPool::BlockPool(int total) : references_(total), free_(total) {
  for (int i = 0; i < total; ++i) free_[i] = total - 1 - i;  // low numbers leave first
}

std::optional<std::vector<BlockRef>> BlockPool::Allocate(int count) {
  if (count > free()) return std::nullopt;
  std::vector<BlockRef> blocks;
  blocks.reserve(count);
  for (int i = 0; i < count; ++i) {
    const int32_t id = free_.back();
    free_.pop_back();
    references_[id] = 1;
    blocks.push_back(BlockRef(this, id));
  }
  return blocks;
}

}  // namespace shoal::engine
