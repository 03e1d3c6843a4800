// The vocoder's places for streams. A Slot is the right to one row of decoder state; destroying it
// gives the place back. One thread; the pool outlives its slots.
#ifndef SHOAL_SERVICES_VOCODER_SLOT_POOL_H_
#define SHOAL_SERVICES_VOCODER_SLOT_POOL_H_

#include <optional>
#include <utility>
#include <vector>

namespace shoal::vocoder {

class SlotPool {
 public:
  class Slot {
   public:
    Slot(Slot&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), index_(other.index_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (pool_ != nullptr) pool_->free_.push_back(index_);
    }
    int index() const { return index_; }

   private:
    friend class SlotPool;
    Slot(SlotPool* pool, int index) : pool_(pool), index_(index) {}
    SlotPool* pool_;
    int index_;
  };

  explicit SlotPool(int total) : total_(total) {
    for (int i = total - 1; i >= 0; --i) free_.push_back(i);
  }

  // Nothing when all are taken.
  std::optional<Slot> Take() {
    if (free_.empty()) return std::nullopt;
    const int index = free_.back();
    free_.pop_back();
    return Slot(this, index);
  }

  int total() const { return total_; }
  int free() const { return static_cast<int>(free_.size()); }

 private:
  const int total_;
  std::vector<int> free_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_SLOT_POOL_H_
