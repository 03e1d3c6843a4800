#include "services/preprocess/front/front_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "services/preprocess/references/worker_pool.h"

namespace shoal::preprocess {
namespace {

TEST(FrontLoop, TasksRunInTheOrderInWhichTheyWerePosted) {
  FrontLoop loop;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) loop.Post([&, i] { order.push_back(i); });
  loop.Run([] {});
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(FrontLoop, TimersRunInTheOrderOfTheirTimes) {
  FrontLoop loop;
  std::promise<std::vector<int>> done;
  std::vector<int> order;
  std::vector<FrontLoop::Timer> timers;
  loop.Run([&] {
    timers.push_back(loop.After(absl::Milliseconds(30), [&] {
      order.push_back(3);
      done.set_value(order);
    }));
    timers.push_back(loop.After(absl::Milliseconds(10), [&] { order.push_back(1); }));
    timers.push_back(loop.After(absl::Milliseconds(20), [&] { order.push_back(2); }));
    EXPECT_TRUE(timers[0].pending());
  });
  EXPECT_THAT(done.get_future().get(), ::testing::ElementsAre(1, 2, 3));
  loop.Run([&] { EXPECT_FALSE(timers[0].pending()); });
}

TEST(FrontLoop, ATimerThatIsResetOrReplacedNeverRuns) {
  FrontLoop loop;
  std::promise<void> later;
  bool wrong = false;
  FrontLoop::Timer timer, last;
  loop.Run([&] {
    timer = loop.After(absl::ZeroDuration(), [&] { wrong = true; });
    timer = loop.After(absl::ZeroDuration(), [&] { wrong = true; });
    timer.Reset();
    last = loop.After(absl::Milliseconds(10), [&] { later.set_value(); });
  });
  later.get_future().wait();
  loop.Run([&] { EXPECT_FALSE(wrong); });
}

TEST(FrontLoop, DropsWhatHasNotRun) {
  auto owned = std::make_shared<int>(1);
  FrontLoop::Timer timer;
  std::promise<void> started, go;  // outlive the loop: its thread may still be in them
  {
    FrontLoop loop;
    timer = loop.After(absl::Hours(1), [owned] {});
    EXPECT_EQ(owned.use_count(), 2);
    timer.Reset();
    EXPECT_EQ(owned.use_count(), 1);
    loop.Post([&] {
      started.set_value();
      go.get_future().wait();
    });
    started.get_future().wait();
    timer = loop.After(absl::Hours(1), [owned] {});
    timer = FrontLoop::Timer();
    loop.Post([owned] {});
    go.set_value();
  }
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(FrontLoop, ManyThreadsMayPost) {
  FrontLoop loop;
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) loop.Post([&] { ++count; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  loop.Run([] {});
  EXPECT_EQ(count, 4000);
}

TEST(WorkerPool, RunsWhatItTakesAndRefusesTheRest) {
  std::atomic<int> ran = 0;
  std::promise<void> started, go, last;  // outlive the pool: its thread may still be in them
  {
    WorkerPool pool(1, 2);
    ASSERT_TRUE(pool.Submit([&] {
      started.set_value();
      go.get_future().wait();
      ++ran;
    }));
    started.get_future().wait();
    EXPECT_TRUE(pool.Submit([&] { ++ran; }));
    EXPECT_TRUE(pool.Submit([&] {
      ++ran;
      last.set_value();
    }));
    EXPECT_FALSE(pool.Submit([&] { ++ran; }));
    go.set_value();
    last.get_future().wait();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace shoal::preprocess
