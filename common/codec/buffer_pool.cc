#include "common/codec/buffer_pool.h"

#include <ATen/EmptyTensor.h>
#include <c10/core/Allocator.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace shoal::codec {
namespace {

constexpr std::align_val_t kAlignment{64};

// At most an eighth more than asked for, so that nearly equal sizes share their blocks.
size_t Rounded(size_t bytes) {
  const size_t step = std::max<size_t>(64, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

}  // namespace

class BufferPool::Blocks final : public c10::Allocator,
                                 public std::enable_shared_from_this<Blocks> {
 public:
  Blocks() = default;
  ~Blocks() override {
    for (auto& [bytes, blocks] : free_) {
      for (Block* block : blocks) {
        ::operator delete[](block->memory, kAlignment);
        delete block;
      }
    }
  }

  c10::DataPtr allocate(size_t bytes) override {
    Block* block = Take(Rounded(bytes));
    block->home = shared_from_this();
    return {block->memory, block, &GiveBack, c10::Device(c10::DeviceType::CPU)};
  }

  void copy_data(void* to, const void* from, size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

 private:
  struct Block {
    void* memory;
    size_t bytes;
    std::shared_ptr<Blocks> home;  // while in use: memory goes back there, if it is the last thing
  };

  Block* Take(size_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::vector<Block*>& waiting = free_[bytes];
      if (!waiting.empty()) {
        Block* block = waiting.back();  // the one used last is the likeliest to be in a cache
        waiting.pop_back();
        return block;
      }
    }
    return new Block{::operator new[](bytes, kAlignment), bytes, nullptr};
  }

  static void GiveBack(void* context) {
    auto* block = static_cast<Block*>(context);
    const std::shared_ptr<Blocks> home = std::move(block->home);
    const std::lock_guard<std::mutex> lock(home->mutex_);
    home->free_[block->bytes].push_back(block);
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<Block*>> free_;  // by size
};

BufferPool::BufferPool() : blocks_(std::make_shared<Blocks>()) {}
BufferPool::~BufferPool() = default;

at::Tensor BufferPool::Empty(at::IntArrayRef sizes, at::ScalarType dtype) const {
  return at::detail::empty_generic(sizes, blocks_.get(), c10::DispatchKeySet(c10::DispatchKey::CPU),
                                   dtype, std::nullopt);
}

}  // namespace shoal::codec
