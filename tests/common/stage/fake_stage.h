// A stage that writes down what it is told. A Submit opens something that a Cancel closes; a test
// can hold its steps.
#ifndef SHOAL_TESTS_COMMON_STAGE_FAKE_STAGE_H_
#define SHOAL_TESTS_COMMON_STAGE_FAKE_STAGE_H_

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/stage/stage.h"

namespace shoal::stage {

class FakeStage final : public Stage {
 public:
  using Log = std::vector<std::string>;

  // What a step does; set before the loop starts.
  std::function<absl::Duration()> on_step = [] { return absl::InfiniteDuration(); };

  // From now on steps wait, before they do anything, until Release.
  void Hold() {
    std::lock_guard<std::mutex> lock(mutex_);
    held_ = true;
  }
  void Release() {
    std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

  void Note(std::string what) {
    std::lock_guard<std::mutex> lock(mutex_);
    log_.push_back(std::move(what));
    changed_.notify_all();
  }
  Log log() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return log_;
  }
  // All but the steps.
  Log told() const {
    Log told = log();
    std::erase(told, "step");
    return told;
  }
  bool Has(const std::string& what, int times = 1) const { return Count(log(), what) >= times; }
  bool Await(const std::string& what, int times = 1) const {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::minutes(1),
                             [&] { return Count(log_, what) >= times; });
  }

  void Connect(transport::Channel* channel) override {
    Note(channel->inbox().empty() ? "connect to nothing" : "connect");
  }
  void HandleMessage(uint64_t, const transport::Message& message) override {
    const pipeline::v1::Envelope& envelope = message.envelope;
    if (envelope.has_submit()) {
      ++open_;
      Note(absl::StrCat("submit ", envelope.submit().stream().low()));
    } else if (envelope.has_cancel()) {
      --open_;
      Note(absl::StrCat("cancel ", envelope.cancel().stream().low()));
    } else {
      Note(absl::StrCat("credit ", envelope.audio_credit().stream().low()));
    }
  }
  void Refuse(uint64_t, const pipeline::v1::Submit& submit, const absl::Status& why) override {
    Note(absl::StrCat("refuse ", submit.stream().low(), " ", absl::StatusCodeToString(why.code())));
  }
  void HandlePeerDown(uint64_t incarnation, absl::string_view) override {
    Note(absl::StrCat("down ", incarnation));
  }
  absl::Duration Step() override {
    Note("step");
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return !held_; });
    }
    return on_step();
  }
  Load PublishLoad() override {
    return {.running = open_, .waiting = 2 * open_, .busy = open_ > 0, .idle = open_ == 0};
  }
  void FailAll() override {
    open_ = 0;
    Note("fail all");
  }

 private:
  static int Count(const Log& log, const std::string& what) {
    return static_cast<int>(std::count(log.begin(), log.end(), what));
  }

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Log log_;
  bool held_ = false;
  int open_ = 0;  // of the model thread
};

}  // namespace shoal::stage

#endif  // SHOAL_TESTS_COMMON_STAGE_FAKE_STAGE_H_
