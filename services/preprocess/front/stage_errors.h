// What a client is told when a stage refuses, fails, is silent or goes away. Free functions without
// state; any thread.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_ERRORS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "shoal/pipeline/v1/pipeline.pb.h"

namespace shoal::preprocess {

// Only a stage that is full or about to leave may have a better one beside it.
bool AnotherMayTake(absl::StatusCode code);

// A stage's refusal as the client's status: the stage's own hint when to come again, else
// `retry_after` where a retry helps at all.
absl::Status StageRefused(const pipeline::v1::Event::Failed& failed, absl::Duration retry_after);

// Faults of a stage that was at work; `audio_out` says that the client has heard something, so that
// a retry would speak it again.
absl::Status StageFailed(const pipeline::v1::Event::Failed& failed, bool audio_out,
                         absl::Duration retry_after);
absl::Status StageLost(absl::string_view stage, absl::string_view reason, absl::string_view why,
                       bool audio_out, absl::Duration retry_after);
absl::Status StageSilent(absl::string_view stage, bool audio_out, absl::Duration retry_after);

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_ERRORS_H_
