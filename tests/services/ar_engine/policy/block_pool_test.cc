#include "services/ar_engine/policy/block_pool.h"

#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

TEST(BlockPoolTest, GivesAllOrNothing) {
  BlockPool pool(4);
  std::optional<std::vector<BlockRef>> three = pool.Allocate(3);
  ASSERT_TRUE(three.has_value());
  EXPECT_EQ(pool.free(), 1);
  EXPECT_FALSE(pool.Allocate(2).has_value());
  EXPECT_EQ(pool.free(), 1);
  EXPECT_TRUE(pool.Allocate(1).has_value()) << "freed again at the end of this statement";
  EXPECT_EQ(pool.free(), 1);
  three.reset();
  EXPECT_EQ(pool.free(), 4);
  EXPECT_TRUE(pool.Allocate(0)->empty());
}

TEST(BlockPoolTest, ASharedBlockStaysUntilTheLastShareGoes) {
  BlockPool pool(1);
  std::optional<BlockRef> first = std::move(pool.Allocate(1)->front());
  std::optional<BlockRef> second = first->Share();
  EXPECT_EQ(second->id(), first->id());
  EXPECT_EQ(pool.references(first->id()), 2);
  first.reset();
  EXPECT_EQ(pool.used(), 1);
  second.reset();
  EXPECT_EQ(pool.used(), 0);
}

TEST(BlockPoolTest, MovingAShareMovesIt) {
  BlockPool pool(2);
  std::vector<BlockRef> blocks = *pool.Allocate(2);
  const int32_t kept = blocks[1].id();
  blocks[0] = std::move(blocks[1]);
  EXPECT_EQ(blocks[0].id(), kept);
  EXPECT_EQ(pool.free(), 1);
  blocks.clear();
  EXPECT_EQ(pool.free(), 2);
}

// Random allocations, shares and releases against a map of counts.
TEST(BlockPoolTest, AgreesWithPlainCounting) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    const int total = static_cast<int>(1 + random() % 40);
    BlockPool pool(total);
    std::vector<BlockRef> held;
    std::map<int32_t, int> counts;
    for (int step = 0; step < 2000; ++step) {
      const uint32_t action = random() % 3;
      if (action == 0) {
        const int count = static_cast<int>(random() % 5);
        std::optional<std::vector<BlockRef>> blocks = pool.Allocate(count);
        ASSERT_EQ(blocks.has_value(), count <= total - static_cast<int>(counts.size()));
        if (!blocks.has_value()) continue;
        for (BlockRef& block : *blocks) {
          ASSERT_GE(block.id(), 0);
          ASSERT_LT(block.id(), total);
          ASSERT_EQ(counts.count(block.id()), 0u) << "given out twice";
          counts[block.id()] = 1;
          held.push_back(std::move(block));
        }
      } else if (!held.empty()) {
        const size_t which = random() % held.size();
        const int32_t id = held[which].id();
        if (action == 1) {
          held.push_back(held[which].Share());
          ++counts[id];
        } else {
          std::swap(held[which], held.back());
          held.pop_back();
          if (--counts[id] == 0) counts.erase(id);
        }
      }
      ASSERT_EQ(pool.used(), static_cast<int>(counts.size()));
      ASSERT_EQ(pool.free() + pool.used(), pool.total());
    }
    for (const auto& [id, count] : counts) EXPECT_EQ(pool.references(id), count);
    held.clear();
    EXPECT_EQ(pool.free(), total);
  }
}

}  // namespace
}  // namespace shoal::engine
