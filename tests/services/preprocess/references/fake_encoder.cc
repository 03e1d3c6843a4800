#include "tests/services/preprocess/references/fake_encoder.h"

#include <chrono>

namespace shoal::testing {

absl::StatusOr<preprocess::Codes> FakeEncoder::Encode(absl::Span<const float> samples,
                                                      Watch watch) const {
  ++calls_;
  std::unique_lock<std::mutex> lock(mutex_);
  ++held_;
  changed_.notify_all();
  bool go_on = true;
  while (holding_ && go_on) {
    changed_.wait_for(lock, std::chrono::milliseconds(1));
    go_on = watch(0.5);
    ++watched_;
    changed_.notify_all();
  }
  --held_;
  if (!go_on || !watch(1)) {
    ++stopped_;
    changed_.notify_all();
    return absl::CancelledError("its watch ended it");
  }
  if (!failure_.ok()) return failure_;
  preprocess::Codes codes;
  codes.frames = (static_cast<int64_t>(samples.size()) + kFrameLength - 1) / kFrameLength;
  for (int64_t i = 0; i < codes.frames * kCodebooks; ++i) {
    codes.values.push_back(static_cast<int32_t>(i % 4));
  }
  return codes;
}

void FakeEncoder::Hold() {
  std::lock_guard<std::mutex> lock(mutex_);
  holding_ = true;
}

void FakeEncoder::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  holding_ = false;
  changed_.notify_all();
}

void FakeEncoder::AwaitHeld() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return held_ > 0; });
}

void FakeEncoder::AwaitWatched() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this, from = watched_] { return watched_ > from; });
}

void FakeEncoder::AwaitStopped(int calls) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this, calls] { return stopped_ >= calls; });
}

}  // namespace shoal::testing
