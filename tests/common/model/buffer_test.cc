#include "common/model/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace shoal::model {
namespace {

TEST(BufferTest, StaysWhereItIsUntilItMustGrow) {
  Buffer buffer;
  float* first = buffer.Get(100);
  first[0] = 3;
  first[99] = 4;
  EXPECT_EQ(buffer.Get(1), first);
  EXPECT_EQ(buffer.Get(100), first);
  EXPECT_EQ(first[0] + first[99], 7);
  buffer.Get(5000)[4999] = 1;
}

TEST(BufferTest, StartsOnACacheLine) {
  Buffer buffer;
  for (const int64_t n : {1, 7, 1000, 100000}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.Get(n)) % 64, 0u) << n;
  }
}

}  // namespace
}  // namespace shoal::model
