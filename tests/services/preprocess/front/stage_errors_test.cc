#include "services/preprocess/front/stage_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "google/rpc/error_model.pb.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kRetryAfter = absl::Seconds(1);

pipeline::v1::Event::Failed Failed(absl::StatusCode code, const std::string& reason,
                                   double retry_after_seconds = 0) {
  pipeline::v1::Event::Failed failed;
  failed.set_code(static_cast<int>(code));
  failed.set_reason(reason);
  failed.set_message("what the stage said");
  failed.set_retry_after_seconds(retry_after_seconds);
  return failed;
}

// Seconds of RetryInfo; negative when there is none.
double Delay(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.RetryInfo");
  google::rpc::RetryInfo retry;
  if (!payload || !retry.ParseFromString(std::string(*payload))) return -1;
  return static_cast<double>(retry.retry_delay().seconds()) + 1e-9 * retry.retry_delay().nanos();
}

TEST(StageErrors, TheStagesOwnHintCountsMost) {
  const auto full = absl::StatusCode::kResourceExhausted;
  EXPECT_EQ(Delay(StageRefused(Failed(full, "STAGES_BUSY", 2.5), kRetryAfter)), 2.5);
  EXPECT_EQ(Delay(StageRefused(Failed(full, "STAGES_BUSY"), kRetryAfter)), 1);
  EXPECT_EQ(Delay(StageRefused(Failed(full, "STAGES_BUSY", 1e300), kRetryAfter)), 3600);
  EXPECT_EQ(Delay(StageRefused(Failed(absl::StatusCode::kInternal, "STAGE_FAILED"), kRetryAfter)),
            -1)
      << "asking again is of no use";
}

TEST(StageErrors, KeepWhatTheStageSaid) {
  const absl::Status status =
      StageRefused(Failed(absl::StatusCode::kInvalidArgument, "CONTEXT_TOO_LONG"), kRetryAfter);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "CONTEXT_TOO_LONG");
  EXPECT_EQ(status.message(), "what the stage said");
}

TEST(StageErrors, AFailureWithoutACodeIsAFaultOfTheServer) {
  const absl::Status status = StageRefused(Failed(absl::StatusCode::kOk, ""), kRetryAfter);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ReasonOf(status), reason::kStageFailed);
}

TEST(StageErrors, WhoeverHasHeardSomethingIsToldWhatARetryDoes) {
  for (const bool audio_out : {false, true}) {
    const char* advice = audio_out ? "speak from the beginning" : "a retry is safe";
    for (const absl::Status& status :
         {StageFailed(Failed(absl::StatusCode::kUnavailable, "VOCODER_LOST"), audio_out,
                      kRetryAfter),
          StageLost("engine", reason::kEngineLost, "it closed", audio_out, kRetryAfter),
          StageSilent("vocoder", audio_out, kRetryAfter)}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
      EXPECT_THAT(std::string(status.message()), HasSubstr(advice));
      EXPECT_EQ(Delay(status), 1);
    }
  }
}

TEST(StageErrors, OnlyAFullOrLeavingStageHasABetterOneBesideIt) {
  EXPECT_TRUE(AnotherMayTake(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(AnotherMayTake(absl::StatusCode::kUnavailable));
  EXPECT_FALSE(AnotherMayTake(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(AnotherMayTake(absl::StatusCode::kInternal));
}

}  // namespace
}  // namespace shoal::preprocess
