#include "common/service/bounded_queue.h"

#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::service {
namespace {

TEST(BoundedQueueTest, WhatDoesNotFitStaysWithTheCaller) {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  auto first = std::make_unique<int>(1), second = std::make_unique<int>(2);
  EXPECT_TRUE(queue.TryPush(std::move(first)));
  EXPECT_FALSE(queue.TryPush(std::move(second)));
  ASSERT_NE(second, nullptr);
  auto items = queue.PopAll(absl::ZeroDuration());
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(*items.front(), 1);
  EXPECT_TRUE(queue.TryPush(std::move(second)));
}

TEST(BoundedQueueTest, TimeoutReturnsNothing) {
  BoundedQueue<int> queue(4);
  EXPECT_TRUE(queue.PopAll(absl::Milliseconds(1)).empty());
  EXPECT_FALSE(queue.closed());
}

TEST(BoundedQueueTest, CloseWakesTheWaiterAndKeepsWhatIsInside) {
  BoundedQueue<int> queue(4);
  std::thread waiter([&] { EXPECT_TRUE(queue.PopAll(absl::InfiniteDuration()).empty()); });
  queue.Close();
  waiter.join();
  BoundedQueue<int> filled(4);
  EXPECT_TRUE(filled.TryPush(5));
  filled.Close();
  EXPECT_FALSE(filled.TryPush(6));
  EXPECT_EQ(filled.PopAll(absl::InfiniteDuration()).size(), 1u);
}

TEST(BoundedQueueTest, ManyThreadsLoseAndRepeatNothingAndKeepTheirOrder) {
  constexpr int kThreads = 4, kItems = 5000;
  BoundedQueue<std::pair<int, int>> queue(16);
  std::vector<std::thread> producers;
  for (int t = 0; t < kThreads; ++t) {
    producers.emplace_back([&, t] {
      for (int i = 0; i < kItems;) {
        if (queue.TryPush({t, i})) {
          ++i;
        } else {
          std::this_thread::yield();
        }
      }
    });
  }
  std::vector<int> next(kThreads, 0);
  for (int taken = 0; taken < kThreads * kItems;) {
    const auto items = queue.PopAll(absl::InfiniteDuration());
    EXPECT_LE(items.size(), queue.capacity());
    for (const auto& [thread, item] : items) {
      ASSERT_EQ(item, next[thread]++);
      ++taken;
    }
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace shoal::service
