// A few threads for work that would hold up the front's loop: decoding and encoding recordings,
// laying out prompts. Any thread may call Submit. The destructor waits for the tasks that run and
// drops those that wait.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_WORKER_POOL_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_WORKER_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace shoal::preprocess {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  WorkerPool(int threads, size_t max_waiting);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False when `max_waiting` tasks wait already; the task is then dropped.
  [[nodiscard]] bool Submit(Task task);

 private:
  void Work();

  const size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_WORKER_POOL_H_
