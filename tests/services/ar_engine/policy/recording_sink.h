// An EngineSink that keeps what it hears, and objects to what must not be: a frame before the start
// or after the end, a frame out of order, a second start or end.
//
// Used by the test's thread.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_RECORDING_SINK_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_RECORDING_SINK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/engine.h"

namespace shoal::engine {

// What the sink heard of one stream.
struct Heard {
  bool started = false;
  std::vector<std::vector<int32_t>> frames;
  std::optional<FinishReason> finished;
  std::optional<absl::Status> failed;
  uint32_t frame_count = 0;
  int cached_positions = 0;

  bool ended() const { return finished.has_value() || failed.has_value(); }
};

class RecordingSink final : public EngineSink {
 public:
  void OnStarted(const Sequence& sequence) override {
    Heard& heard = Of(sequence);
    EXPECT_FALSE(heard.started);
    heard.started = true;
    heard.cached_positions = sequence.cached_positions();
  }
  absl::Status OnFrame(const Sequence& sequence, uint32_t frame,
                       absl::Span<const int32_t> codes) override {
    Heard& heard = Of(sequence);
    EXPECT_TRUE(heard.started && !heard.ended());
    EXPECT_EQ(frame, heard.frames.size() + first_frame);
    heard.frames.emplace_back(codes.begin(), codes.end());
    return frame_status;
  }
  void OnFinished(const Sequence& sequence, FinishReason reason) override {
    EXPECT_FALSE(Of(sequence).ended());
    Of(sequence).finished = reason;
    Of(sequence).frame_count = sequence.frames();
  }
  void OnFailed(const Sequence& sequence, const absl::Status& why) override {
    EXPECT_FALSE(Of(sequence).ended());
    Of(sequence).failed = why;
  }

  std::map<uint64_t, Heard> heard;  // by the low half of the stream's name
  absl::Status frame_status;
  uint32_t first_frame = 0;  // of turns that go on from an earlier attempt

 private:
  Heard& Of(const Sequence& sequence) { return heard[sequence.stream().low]; }
};

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_POLICY_RECORDING_SINK_H_
