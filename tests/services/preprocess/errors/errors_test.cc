#include "services/preprocess/errors/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/speech_client.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::ErrorReason;
using ::shoal::testing::RetryDelay;
using ::shoal::testing::ViolatedFields;

TEST(Errors, AnInvalidFieldKeepsItsPathOnTheWire) {
  const absl::Status status = InvalidField("config.audio.encoding", "what was expected");
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  const grpc::Status wire = ToGrpc(status);
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(wire.error_message(), "config.audio.encoding: what was expected");
  EXPECT_THAT(ViolatedFields(wire), ::testing::ElementsAre("config.audio.encoding"));
  EXPECT_EQ(ErrorReason(wire), "INVALID_FIELD");
  EXPECT_LT(RetryDelay(wire), 0);
}

TEST(Errors, ARetryKeepsItsDelayOnTheWire) {
  const grpc::Status wire = ToGrpc(RetryLater(absl::StatusCode::kUnavailable, reason::kNoEngine,
                                              "no engine is up", absl::Milliseconds(1500)));
  EXPECT_EQ(wire.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ErrorReason(wire), "NO_ENGINE");
  EXPECT_DOUBLE_EQ(RetryDelay(wire), 1.5);
}

TEST(Errors, EveryCodeIsTheSameInGrpc) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status wire = ToGrpc(absl::Status(static_cast<absl::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(wire.error_details()));
    EXPECT_EQ(details.code(), code);
    EXPECT_EQ(details.message(), "why");
  }
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
}

TEST(Errors, AStatusWithoutAReasonHasNone) {
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  EXPECT_EQ(ReasonOf(WithReason(absl::InternalError("x"), reason::kFramesLost)), "FRAMES_LOST");
}

}  // namespace
}  // namespace shoal::preprocess
