#include "common/stage/failed_event.h"

#include "gtest/gtest.h"

namespace shoal::stage {
namespace {

pipeline::v1::Event::Failed Failed(const absl::Status& why) {
  pipeline::v1::Event event;
  event.set_turn(3);
  SetFailed(why, event);
  EXPECT_EQ(event.turn(), 3u);
  return event.failed();
}

TEST(FailedEventTest, SaysWhatTheStatusSays) {
  const auto failed = Failed(absl::InvalidArgumentError("turn: 7 is too much"));
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(failed.message(), "turn: 7 is too much");
}

TEST(FailedEventTest, TheReasonFollowsFromTheCode) {
  EXPECT_EQ(Failed(absl::InvalidArgumentError("")).reason(), "INVALID_FIELD");
  EXPECT_EQ(Failed(absl::ResourceExhaustedError("")).reason(), "STAGES_BUSY");
  EXPECT_EQ(Failed(absl::DataLossError("")).reason(), "FRAMES_LOST");
  EXPECT_EQ(Failed(absl::InternalError("")).reason(), "STAGE_FAILED");
}

TEST(FailedEventTest, AReasonGivenGoesFirst) {
  const auto failed = Failed(Because(absl::UnavailableError("it drains"), "DRAINING"));
  EXPECT_EQ(failed.reason(), "DRAINING");
  EXPECT_EQ(failed.message(), "it drains");
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace shoal::stage
