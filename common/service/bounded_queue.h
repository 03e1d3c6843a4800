// Hands items from many threads to one or more others, never holding more than `capacity` of them:
// what does not fit stays with the caller, who pushes back to where it came from. Used between the
// network threads and the thread that owns the model.
//
// Any thread may call anything. Items leave in the order in which they were pushed. std::mutex
// rather than absl::Mutex: ThreadSanitizer cannot see into Debian's uninstrumented Abseil.
#ifndef SHOAL_COMMON_SERVICE_BOUNDED_QUEUE_H_
#define SHOAL_COMMON_SERVICE_BOUNDED_QUEUE_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/time/time.h"

namespace shoal::service {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // False when full or closed; `item` is then untouched.
  bool TryPush(T&& item) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (closed_ || items_.size() >= capacity_) return false;
      items_.push_back(std::move(item));
    }
    filled_.notify_one();
    return true;
  }
  bool TryPush(const T& item) { return TryPush(T(item)); }

  // All items there are. Waits for the first at most `timeout`; empty means that the time is over
  // or the queue is closed and drained.
  std::deque<T> PopAll(absl::Duration timeout) {
    std::unique_lock<std::mutex> lock(mutex_);
    auto ready = [this] { return closed_ || !items_.empty(); };
    if (timeout == absl::InfiniteDuration()) {
      filled_.wait(lock, ready);
    } else if (timeout > absl::ZeroDuration()) {
      filled_.wait_for(lock, absl::ToChronoNanoseconds(timeout), ready);
    }
    return std::exchange(items_, {});
  }

  // Nothing is taken in any more, and every waiter returns. What is inside can still be popped.
  void Close() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
  }

  bool closed() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return closed_;
  }
  size_t size() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }

 private:
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_BOUNDED_QUEUE_H_
