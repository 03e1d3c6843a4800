// Memory for floats that is used again and again: it grows to the largest size that it was asked
// for and stays there, so a computation that repeats allocates nothing.
//
// Owned by whoever computes; one thread at a time.
#ifndef SHOAL_COMMON_MODEL_BUFFER_H_
#define SHOAL_COMMON_MODEL_BUFFER_H_

#include <bit>
#include <cstdint>
#include <memory>
#include <new>

namespace shoal::model {

class Buffer {
 public:
  // Room for n floats, 64-byte aligned. What stood there before is lost when n exceeds every n so
  // far, and with it all earlier pointers; else it is still there.
  float* Get(int64_t n) {
    if (n > capacity_) {
      memory_.reset();
      capacity_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(n)));
      memory_.reset(static_cast<float*>(
          ::operator new[](static_cast<size_t>(capacity_) * sizeof(float), kAlignment)));
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};

  struct Free {
    void operator()(float* memory) const { ::operator delete[](memory, kAlignment); }
  };

  int64_t capacity_ = 0;
  std::unique_ptr<float[], Free> memory_;
};

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_BUFFER_H_
