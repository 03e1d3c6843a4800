#include "services/ar_engine/policy/eviction_order.h"

namespace shoal::engine {

EvictionOrder::EvictionOrder(const BlockPool* pool, int max_pinned)
    : pool_(pool), max_pinned_(max_pinned), blocks_(pool->total()) {}

EvictionOrder::Rank EvictionOrder::RankOf(int32_t block) const {
  return {blocks_[block].pinned, blocks_[block].used, block};
}

template <typename Change>
void EvictionOrder::Update(int32_t block, Change change) {
  Unlist(block);
  change(blocks_[block]);
  List(block);
}

void EvictionOrder::List(int32_t block) {
  Block& b = blocks_[block];
  if (!b.known) return;
  if (!b.busy()) ++idle_;
  if (!b.busy() && b.children == 0) leaves_.insert(RankOf(block));
  if (b.pinned && b.pinned_children == 0) pinned_ends_.insert({b.used, block});
  if (b.lent && b.busy_children == 0) {
    b.lookout = lookout_.size();
    lookout_.push_back(block);
  }
}

void EvictionOrder::Unlist(int32_t block) {
  const Block& b = blocks_[block];
  if (!b.known) return;
  if (!b.busy()) --idle_;
  if (!b.busy() && b.children == 0) leaves_.erase(RankOf(block));
  if (b.pinned && b.pinned_children == 0) pinned_ends_.erase({b.used, block});
  if (b.lent && b.busy_children == 0) {
    lookout_[b.lookout] = lookout_.back();
    blocks_[lookout_.back()].lookout = b.lookout;
    lookout_.pop_back();
  }
}

void EvictionOrder::Add(int32_t block, int32_t parent) {
  Update(block, [&](Block& b) { b = {.known = true, .parent = parent, .used = now_}; });
  if (parent != kRoot) Update(parent, [](Block& b) { ++b.children; });
}

void EvictionOrder::Remove(int32_t block) {
  SetPinned(block, false);
  const int32_t parent = blocks_[block].parent;
  Update(block, [](Block& b) { b.known = false; });
  if (parent != kRoot) Update(parent, [](Block& b) { --b.children; });
}

void EvictionOrder::Use(int32_t block) {
  Update(block, [this](Block& b) { b.used = now_; });
}

void EvictionOrder::Lend(int32_t block) { SetLent(block, true); }

void EvictionOrder::SetLent(int32_t block, bool lent) {
  bool was_busy = blocks_[block].busy();
  Update(block, [=](Block& b) { b.lent = lent; });
  // What is busy makes its parent busy.
  while (blocks_[block].busy() != was_busy && blocks_[block].parent != kRoot) {
    const int change = was_busy ? -1 : 1;
    block = blocks_[block].parent;
    was_busy = blocks_[block].busy();
    Update(block, [=](Block& b) { b.busy_children += change; });
  }
}

void EvictionOrder::Pin(int32_t block) {
  const int32_t parent = blocks_[block].parent;
  if (parent != kRoot && !blocks_[parent].pinned) return;
  SetPinned(block, true);
  while (pinned_ > max_pinned_) SetPinned(pinned_ends_.begin()->second, false);
}

void EvictionOrder::SetPinned(int32_t block, bool pinned) {
  if (blocks_[block].pinned == pinned) return;
  const int change = pinned ? 1 : -1;
  Update(block, [=](Block& b) { b.pinned = pinned; });
  pinned_ += change;
  const int32_t parent = blocks_[block].parent;
  if (parent != kRoot) Update(parent, [=](Block& b) { b.pinned_children += change; });
}

void EvictionOrder::NoteReturns() {
  for (size_t i = 0; i < lookout_.size();) {
    // One that came back leaves its place to the last, and may put its parent at the end.
    if (pool_->references(lookout_[i]) > 1) {
      ++i;
    } else {
      SetLent(lookout_[i], false);
    }
  }
}

std::optional<int32_t> EvictionOrder::First() const {
  if (leaves_.empty()) return std::nullopt;
  return std::get<int32_t>(*leaves_.begin());
}

}  // namespace shoal::engine
