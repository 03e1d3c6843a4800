#include "common/service/shutdown.h"

#include <signal.h>
#include <unistd.h>

#include <future>

#include "gtest/gtest.h"

namespace shoal::service {
namespace {

// Each test sends signals to its whole process, so each has a process of its own.

void DrainsThenExits() {
  std::promise<void> drained;
  auto shutdown = Shutdown::Start().value();
  shutdown->OnSignal([&] { drained.set_value(); });
  if (shutdown->requested()) _exit(1);
  kill(getpid(), SIGTERM);
  drained.get_future().wait();
  shutdown->Wait();
  const bool requested = shutdown->requested();
  shutdown.reset();
  _exit(requested ? 0 : 2);
}

void SignalBeforeTheCallbackIsNotLost() {
  std::promise<void> drained;
  auto shutdown = Shutdown::Start().value();
  kill(getpid(), SIGINT);
  shutdown->Wait();
  shutdown->OnSignal([&] { drained.set_value(); });
  drained.get_future().wait();
  shutdown.reset();
  _exit(0);
}

void SecondSignalEndsADrainThatHangs() {
  auto shutdown = Shutdown::Start().value();
  std::promise<void> promise, draining;
  const std::shared_future<void> never = promise.get_future().share();
  shutdown->OnSignal([&] {
    draining.set_value();
    never.wait();
  });
  kill(getpid(), SIGTERM);
  draining.get_future().wait();
  kill(getpid(), SIGINT);
  never.wait();
}

void EndsWithoutASignal() {
  {
    auto shutdown = Shutdown::Start().value();
    if (shutdown->WaitFor(absl::Milliseconds(1))) _exit(1);
  }
  _exit(0);
}

class ShutdownDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(ShutdownDeathTest, FirstSignalDrains) {
  EXPECT_EXIT(DrainsThenExits(), ::testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, SignalBeforeTheCallbackIsNotLost) {
  EXPECT_EXIT(SignalBeforeTheCallbackIsNotLost(), ::testing::ExitedWithCode(0), "");
}

TEST_F(ShutdownDeathTest, SecondSignalEndsADrainThatHangs) {
  EXPECT_EXIT(SecondSignalEndsADrainThatHangs(), ::testing::ExitedWithCode(128 + SIGINT), "");
}

TEST_F(ShutdownDeathTest, EndsWithoutASignal) {
  EXPECT_EXIT(EndsWithoutASignal(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shoal::service
