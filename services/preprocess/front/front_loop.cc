#include "services/preprocess/front/front_loop.h"

namespace shoal::preprocess {

void FrontLoop::Timer::Reset() {
  if (loop_ == nullptr) return;
  Task dropped;  // destroyed after the lock is released: it may own anything
  {
    std::lock_guard<std::mutex> lock(loop_->mutex_);
    const auto found = loop_->timers_.find(key_);
    if (found != loop_->timers_.end()) {
      dropped = std::move(found->second);
      loop_->timers_.erase(found);
    }
  }
  loop_ = nullptr;
}

bool FrontLoop::Timer::pending() const {
  if (loop_ == nullptr) return false;
  std::lock_guard<std::mutex> lock(loop_->mutex_);
  return loop_->timers_.count(key_) > 0;
}

FrontLoop::FrontLoop() : thread_([this] { Loop(); }) {}

FrontLoop::~FrontLoop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
  // A task that is dropped may own an object that posts or resets a timer while it is destroyed.
  for (;;) {
    std::deque<Task> tasks;
    std::map<Timer::Key, Task> timers;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      tasks.swap(tasks_);
      timers.swap(timers_);
    }
    if (tasks.empty() && timers.empty()) return;
  }
}

void FrontLoop::Post(Task task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_one();
}

FrontLoop::Timer FrontLoop::After(absl::Duration delay, Task task) {
  const Clock::time_point when = Clock::now() + absl::ToChronoNanoseconds(delay);
  Timer::Key key;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    key = {when, next_timer_++};
    timers_.emplace(key, std::move(task));
  }
  changed_.notify_one();
  return Timer(this, key);
}

void FrontLoop::Run(Task task) {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  Post([&] {
    task();
    std::lock_guard<std::mutex> lock(mutex);
    finished = true;
    done.notify_one();
  });
  std::unique_lock<std::mutex> lock(mutex);
  done.wait(lock, [&] { return finished; });
}

void FrontLoop::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    Task task;
    if (!timers_.empty() && timers_.begin()->first.first <= Clock::now()) {
      task = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    } else if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
    } else if (timers_.empty()) {
      changed_.wait(lock);
      continue;
    } else {
      changed_.wait_until(lock, timers_.begin()->first.first);
      continue;
    }
    lock.unlock();
    task();
    task = nullptr;  // what it owns goes before the lock is taken again
    lock.lock();
  }
}

}  // namespace shoal::preprocess
