#include "services/preprocess/text/bpe_queue.h"

#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

TEST(PairQueue, TakesOutLikeAPriorityQueue) {
  using Key = std::pair<uint32_t, uint32_t>;
  std::mt19937 random(5);
  PairQueue queue;  // one for all trials: it starts afresh whenever it is empty
  for (int trial = 0; trial < 200; ++trial) {
    std::priority_queue<Key, std::vector<Key>, std::greater<>> expected;
    const uint32_t ranks = 1 + random() % 20;
    uint32_t left = 0;
    for (int step = 0; step < 300; ++step) {
      if (random() % 3 > 0 || expected.empty()) {
        // Mostly from left to right, as words are looked at, and some twice.
        left = random() % 4 == 0 ? random() % 1000 : left + random() % 3;
        const Key key = {random() % ranks, left};
        queue.Push({key.first, key.second});
        expected.push(key);
      } else {
        const PairQueue::Pair pair = queue.Pop();
        ASSERT_EQ(Key(pair.rank, pair.left), expected.top());
        expected.pop();
      }
    }
    for (; !expected.empty(); expected.pop()) {
      ASSERT_FALSE(queue.empty());
      const PairQueue::Pair pair = queue.Pop();
      ASSERT_EQ(Key(pair.rank, pair.left), expected.top());
    }
    ASSERT_TRUE(queue.empty());
  }
}

}  // namespace
}  // namespace shoal::preprocess
