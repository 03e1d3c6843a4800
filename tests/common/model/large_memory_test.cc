#include "common/model/large_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace shoal::model {
namespace {

TEST(LargeMemoryTest, IsZeroAndAlignedWhateverItsSize) {
  for (const size_t size : {size_t{1}, size_t{4097}, size_t{2} << 20, (size_t{5} << 20) + 3}) {
    const LargeMemory memory(size);
    EXPECT_EQ(memory.size(), size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % 64, 0u);
    EXPECT_TRUE(std::all_of(memory.get(), memory.get() + size,
                            [](std::byte value) { return value == std::byte{0}; }));
  }
}

TEST(LargeMemoryTest, MovesWithItsPages) {
  LargeMemory small(10), large(size_t{3} << 20);
  std::byte* const place = large.get();
  place[0] = std::byte{7};
  small = std::move(large);
  EXPECT_EQ(small.get(), place);
  EXPECT_EQ(small.get()[0], std::byte{7});
}

TEST(LargeMemoryTest, NothingIsNothing) {
  EXPECT_EQ(LargeMemory().get(), nullptr);
  EXPECT_EQ(LargeMemory().size(), 0u);
}

}  // namespace
}  // namespace shoal::model
