// The one thread on which all sessions and the stream router live. What runs here must be short:
// text, audio and prompts are cut so that no step takes more than a few milliseconds; whatever
// takes longer goes to a WorkerPool and comes back by Post.
//
// Post and After may be called from any thread; tasks run in the order in which they were posted.
// The destructor drops what has not run yet.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_LOOP_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_LOOP_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace shoal::preprocess {

class FrontLoop {
 public:
  using Task = absl::AnyInvocable<void()>;
  using Clock = std::chrono::steady_clock;

  // A task that waits for its time. Destroying or resetting it cancels the task; on the loop's
  // thread that is certain, elsewhere the task may be running. Must not outlive the loop.
  class Timer {
   public:
    Timer() = default;
    Timer(Timer&& other) noexcept { *this = std::move(other); }
    Timer& operator=(Timer&& other) noexcept {
      Reset();
      loop_ = std::exchange(other.loop_, nullptr);
      key_ = other.key_;
      return *this;
    }
    ~Timer() { Reset(); }
    void Reset();
    // Set and neither reset nor run.
    bool pending() const;

   private:
    friend class FrontLoop;
    using Key = std::pair<Clock::time_point, uint64_t>;
    Timer(FrontLoop* loop, Key key) : loop_(loop), key_(key) {}
    FrontLoop* loop_ = nullptr;
    Key key_;
  };

  FrontLoop();
  ~FrontLoop();
  FrontLoop(const FrontLoop&) = delete;
  FrontLoop& operator=(const FrontLoop&) = delete;

  void Post(Task task);
  [[nodiscard]] Timer After(absl::Duration delay, Task task);

  // Runs `task` on the loop and returns when it has run. Never from the loop itself.
  void Run(Task task);

 private:
  void Loop();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::map<Timer::Key, Task> timers_;
  uint64_t next_timer_ = 0;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_LOOP_H_
