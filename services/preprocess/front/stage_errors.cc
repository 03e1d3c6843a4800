#include "services/preprocess/front/stage_errors.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/service/status_code.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

// Whether a client may simply ask again, in words.
const char* RetryAdvice(bool audio_out) {
  return audio_out ? "audio had been sent: a retry would speak from the beginning"
                   : "no audio had been sent: a retry is safe";
}

// A hint to wait until long after the client is gone helps nobody.
constexpr absl::Duration kLongestHint = absl::Hours(1);

}  // namespace

bool AnotherMayTake(absl::StatusCode code) {
  return code == absl::StatusCode::kResourceExhausted || code == absl::StatusCode::kUnavailable;
}

absl::Status StageRefused(const pipeline::v1::Event::Failed& failed, absl::Duration retry_after) {
  absl::Status status = service::StatusFrom(failed.code(), failed.message());
  if (status.ok()) status = absl::InternalError("a stage failed without saying how");
  const std::string reason = failed.reason().empty() ? reason::kStageFailed : failed.reason();
  if (failed.retry_after_seconds() > 0) {
    return RetryLater(status.code(), reason, status.message(),
                      std::min(absl::Seconds(failed.retry_after_seconds()), kLongestHint));
  }
  if (AnotherMayTake(status.code())) {
    return RetryLater(status.code(), reason, status.message(), retry_after);
  }
  return WithReason(std::move(status), reason);
}

absl::Status StageFailed(const pipeline::v1::Event::Failed& failed, bool audio_out,
                         absl::Duration retry_after) {
  absl::Status status = StageRefused(failed, retry_after);
  if (status.code() != absl::StatusCode::kUnavailable) return status;
  return RetryLater(status.code(), ReasonOf(status),
                    absl::StrCat(status.message(), "; ", RetryAdvice(audio_out)), retry_after);
}

absl::Status StageLost(absl::string_view stage, absl::string_view reason, absl::string_view why,
                       bool audio_out, absl::Duration retry_after) {
  return RetryLater(absl::StatusCode::kUnavailable, reason,
                    absl::StrCat("the ", stage, " went away (", why, "); ", RetryAdvice(audio_out)),
                    retry_after);
}

absl::Status StageSilent(absl::string_view stage, bool audio_out, absl::Duration retry_after) {
  return RetryLater(absl::StatusCode::kUnavailable, reason::kStageSilent,
                    absl::StrCat("the ", stage, " has not answered; ", RetryAdvice(audio_out)),
                    retry_after);
}

}  // namespace shoal::preprocess
