// Memory for what is large and read all over: weights, keys and values.
//
// From 2 MiB on it stands in huge pages where the system has some (the setting "madvise" is
// enough): a step reads the KV of every stream in pieces of a few kB, and looking up as many small
// pages cost a third of the attention's time.
#ifndef SHOAL_COMMON_MODEL_LARGE_MEMORY_H_
#define SHOAL_COMMON_MODEL_LARGE_MEMORY_H_

#include <cstddef>
#include <memory>

namespace shoal::model {

class LargeMemory {
 public:
  LargeMemory() = default;  // nothing
  // All zero, 64-byte aligned; the pages are taken now, not when they are first used.
  explicit LargeMemory(size_t bytes);

  std::byte* get() const { return memory_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    Free() : huge(false) {}
    explicit Free(bool in_huge_pages) : huge(in_huge_pages) {}
    bool huge;
    void operator()(std::byte* memory) const;
  };

  size_t size_ = 0;
  std::unique_ptr<std::byte[], Free> memory_;
};

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_LARGE_MEMORY_H_
