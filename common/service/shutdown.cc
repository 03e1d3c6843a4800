#include "common/service/shutdown.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::service {

absl::StatusOr<std::unique_ptr<Shutdown>> Shutdown::Start() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return absl::ErrnoToStatus(error, "cannot block SIGTERM and SIGINT");
  }
  const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) return absl::ErrnoToStatus(errno, "signalfd");
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    const int error = errno;
    close(signals);
    return absl::ErrnoToStatus(error, "eventfd");
  }
  return std::unique_ptr<Shutdown>(new Shutdown(signals, stop));
}

Shutdown::Shutdown(int signals, int stop)
    : signals_(signals), stop_(stop), waiter_([this] { WaitForSignals(); }) {}

Shutdown::~Shutdown() {
  const uint64_t one = 1;
  while (write(stop_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
  waiter_.join();
  if (drainer_.joinable()) drainer_.join();
  close(signals_);
  close(stop_);
}

void Shutdown::OnSignal(std::function<void()> drain) {
  std::lock_guard<std::mutex> lock(mutex_);
  drain_ = std::move(drain);
  if (requested_) StartDrain();
}

// The drain runs beside the waiter, so that a second signal is heard while it lasts.
void Shutdown::StartDrain() {
  drained_ = false;
  drainer_ = std::thread([this, drain = std::move(drain_)] {
    drain();
    std::lock_guard<std::mutex> lock(mutex_);
    drained_ = true;
    changed_.notify_all();
  });
  drain_ = nullptr;
}

void Shutdown::WaitForSignals() {
  pollfd fds[] = {{signals_, POLLIN, 0}, {stop_, POLLIN, 0}};
  for (;;) {
    if (poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_, &info, sizeof(info)) != sizeof(info)) continue;
    std::lock_guard<std::mutex> lock(mutex_);
    if (requested_) _exit(128 + static_cast<int>(info.ssi_signo));
    requested_ = true;
    drained_ = true;
    if (drain_) StartDrain();
    changed_.notify_all();
  }
}

void Shutdown::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return drained_; });
}

bool Shutdown::WaitFor(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), [this] { return drained_; });
}

bool Shutdown::requested() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return requested_;
}

}  // namespace shoal::service
