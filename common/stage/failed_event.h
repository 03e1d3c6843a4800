// How a stage tells a front that a turn or a stream has failed. Any thread.
#ifndef SHOAL_COMMON_STAGE_FAILED_EVENT_H_
#define SHOAL_COMMON_STAGE_FAILED_EVENT_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "shoal/pipeline/v1/pipeline.pb.h"

namespace shoal::stage {

// `reason` goes out as Event.Failed.reason; without one it follows from the code.
absl::Status Because(absl::Status status, absl::string_view reason);

// Makes the event a Failed that says why.
void SetFailed(const absl::Status& why, pipeline::v1::Event& event);

}  // namespace shoal::stage

#endif  // SHOAL_COMMON_STAGE_FAILED_EVENT_H_
