// StageLoop: a Stage on the pipeline network. The Channel's I/O thread only moves what comes into
// an Inbox; the model thread, which this class runs, does everything else: receive -> step, for as
// long as the loop lives. Heartbeats tell peers the stage's load and that its model thread gets on.
//
// A member of the stage that it runs, declared last: destroyed first, it ends the model thread
// (with Stage::FailAll) and then the channel while all that they use is still there.
#ifndef SHOAL_COMMON_STAGE_STAGE_LOOP_H_
#define SHOAL_COMMON_STAGE_STAGE_LOOP_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/stage/inbox.h"
#include "common/stage/stage.h"
#include "common/transport/channel.h"

namespace shoal::stage {

class StageLoop {
 public:
  struct Options {
    transport::Channel::Options channel = {};  // without heartbeat
    Inbox::Options inbox = {};
    // Declared to peers: no step takes longer, or the model thread is stuck.
    absl::Duration step_bound = absl::Seconds(10);
  };

  // `stage` outlives this.
  StageLoop(Options options, Stage* stage);
  ~StageLoop();
  StageLoop(const StageLoop&) = delete;
  StageLoop& operator=(const StageLoop&) = delete;

  // Once, before anything else. After an error there is nothing to do but destroy.
  absl::Status Start();

  // draining() is true from now on. Any thread.
  void Drain();
  // Waits until everything that was received before Drain() is handled and the stage is idle; false
  // when that takes longer than `limit`. What it may accept after that is its own business. Any
  // thread. REQUIRES: Drain().
  bool AwaitIdle(absl::Duration limit);
  bool draining() const { return draining_; }

  // Handles what has come since. For the stage's Step alone.
  void Receive() { Receive(absl::ZeroDuration()); }

  transport::Channel& channel() { return *channel_; }
  const transport::Channel& channel() const { return *channel_; }

 private:
  pipeline::v1::Heartbeat Heartbeat() const;

  // On the model thread.
  void Run();
  void Receive(absl::Duration wait);
  void Handle(const Arrival& arrival);
  void PublishLoad();

  const Options options_;
  Stage* const stage_;
  Inbox inbox_;
  bool drain_seen_ = false;  // by the model thread

  // What heartbeats say, written by the model thread.
  std::atomic<uint64_t> step_{0};
  std::atomic<int> running_{0}, waiting_{0};
  std::atomic<bool> busy_{false};
  std::atomic<bool> draining_{false};

  std::mutex drained_mutex_;
  std::condition_variable drained_changed_;
  bool drained_ = false;  // the drain was seen, and the stage was idle after it

  std::unique_ptr<transport::Channel> channel_;
  std::thread model_thread_;
};

}  // namespace shoal::stage

#endif  // SHOAL_COMMON_STAGE_STAGE_LOOP_H_
