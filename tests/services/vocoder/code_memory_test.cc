#include "services/vocoder/code_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::vocoder {
namespace {

using ::testing::ElementsAre;

TEST(CodeMemoryTest, KeepsTheLastFramesByTheirPosition) {
  CodeMemory memory(/*num_codebooks=*/2, /*capacity=*/3);
  EXPECT_EQ(memory.begin(), memory.end());
  for (int32_t i = 0; i < 5; ++i) memory.Append({i, 10 * i});
  EXPECT_EQ(memory.begin(), 2u);
  EXPECT_EQ(memory.end(), 5u);
  EXPECT_THAT(memory.Read(3, 2), ElementsAre(3, 30, 4, 40));
  EXPECT_THAT(memory.Read(5, 0), ElementsAre());
}

TEST(CodeMemoryTest, ForgetsWhatIsTakenBack) {
  CodeMemory memory(1, 3);
  for (int32_t i = 0; i < 5; ++i) memory.Append({i});
  memory.Truncate(3);
  EXPECT_EQ(memory.begin(), 2u);
  memory.Append({7});
  EXPECT_THAT(memory.Read(2, 2), ElementsAre(2, 7));
  memory.Truncate(2);
  EXPECT_EQ(memory.begin(), memory.end());
}

TEST(CodeMemoryTest, StartsAnywhere) {
  CodeMemory memory(2, 3);
  memory.Start(100, {1, 2, 3, 4});
  EXPECT_EQ(memory.begin(), 98u);
  EXPECT_EQ(memory.end(), 100u);
  memory.Start(100, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(memory.begin(), 97u);
  EXPECT_THAT(memory.Read(97, 1), ElementsAre(3, 4));
}

}  // namespace
}  // namespace shoal::vocoder
