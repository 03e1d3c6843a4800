#include "common/model/large_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace shoal::model {
namespace {

constexpr std::align_val_t kHugePage{2 << 20};
constexpr std::align_val_t kCacheLine{64};

}  // namespace

void LargeMemory::Free::operator()(std::byte* memory) const {
  ::operator delete[](memory, huge ? kHugePage : kCacheLine);
}

LargeMemory::LargeMemory(size_t bytes) : size_(bytes) {
  const bool huge = bytes >= static_cast<size_t>(kHugePage);
  auto* memory = static_cast<std::byte*>(::operator new[](bytes, huge ? kHugePage : kCacheLine));
  memory_ = std::unique_ptr<std::byte[], Free>(memory, Free(huge));
  // Refused where the system has no huge pages: then small ones serve.
  if (huge) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
}

}  // namespace shoal::model
