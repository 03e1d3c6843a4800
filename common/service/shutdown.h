// Turns SIGTERM and SIGINT into an orderly end: the first one calls the drain callback on a thread
// of its own, the second one ends the process at once with status 128 + signal.
//
// Made first thing in main, before any other thread exists: it blocks both signals, and later
// threads inherit that. One a process.
#ifndef SHOAL_COMMON_SERVICE_SHUTDOWN_H_
#define SHOAL_COMMON_SERVICE_SHUTDOWN_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::service {

class Shutdown {
 public:
  static absl::StatusOr<std::unique_ptr<Shutdown>> Start();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  // Sets the callback, once. It runs on a thread of its own; at once if the signal has come
  // already.
  void OnSignal(std::function<void()> drain);

  // Blocks until the first signal has come, and the drain callback (if any) has returned.
  void Wait();
  bool WaitFor(absl::Duration timeout);  // false: the time is over

  bool requested() const;  // the first signal has come

 private:
  Shutdown(int signals, int stop);
  void WaitForSignals();
  void StartDrain();  // with mutex_ held

  const int signals_;  // signalfd
  const int stop_;     // eventfd: the destructor ends the thread
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> drain_;
  bool requested_ = false;
  bool drained_ = false;  // the signal has come and no drain is under way
  std::thread drainer_;
  std::thread waiter_;  // last: it uses all of the above
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_SHUTDOWN_H_
