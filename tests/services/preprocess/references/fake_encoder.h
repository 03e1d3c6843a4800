// An encoder of recordings without a codec, for tests of what stands around one.
#ifndef SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_ENCODER_H_
#define SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_ENCODER_H_

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "services/preprocess/references/reference_encoder.h"
#include "tests/services/preprocess/references/fake_sizes.h"

namespace shoal::testing {

// Codes that follow from the recording's length; counts, fails or waits as a test asks.
class FakeEncoder final : public preprocess::ReferenceEncoder {
 public:
  int sample_rate() const override { return kSampleRate; }
  int num_codebooks() const override { return kCodebooks; }
  std::string identity() const override { return identity_; }
  absl::StatusOr<preprocess::Codes> Encode(absl::Span<const float> samples,
                                           Watch watch) const override;

  int calls() const { return calls_; }
  int stopped() const { return stopped_; }  // calls that their watch ended
  void IdentifyAs(std::string identity) { identity_ = std::move(identity); }
  void FailWith(absl::Status status) { failure_ = std::move(status); }

  // From now on Encode waits for Release, or until its watch ends it.
  void Hold();
  void Release();
  // Blocks until a call waits.
  void AwaitHeld();
  // Blocks until a call that waits has asked its watch once more from beginning to end.
  void AwaitWatched();
  // Blocks until this many calls were ended by their watch.
  void AwaitStopped(int calls);

 private:
  mutable std::atomic<int> calls_ = 0, stopped_ = 0;
  std::string identity_ = "fake";
  absl::Status failure_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool holding_ = false;
  mutable int held_ = 0;
  mutable int watched_ = 0;  // times that a call that waits has asked its watch
};

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_SERVICES_PREPROCESS_REFERENCES_FAKE_ENCODER_H_
