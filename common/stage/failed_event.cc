#include "common/stage/failed_event.h"

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "common/service/status_code.h"

namespace shoal::stage {
namespace {

constexpr char kReasonPayload[] = "shoal.reason";

std::string ReasonOf(const absl::Status& status) {
  if (const auto reason = status.GetPayload(kReasonPayload); reason.has_value()) {
    return std::string(*reason);
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return "INVALID_FIELD";
    case absl::StatusCode::kResourceExhausted:
      return "STAGES_BUSY";
    case absl::StatusCode::kDataLoss:
      return "FRAMES_LOST";
    default:
      return "STAGE_FAILED";
  }
}

}  // namespace

absl::Status Because(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

void SetFailed(const absl::Status& why, pipeline::v1::Event& event) {
  event.mutable_failed()->set_code(service::CodeOf(why));
  event.mutable_failed()->set_message(std::string(why.message()));
  event.mutable_failed()->set_reason(ReasonOf(why));
}

}  // namespace shoal::stage
