#include "client/status_report.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_model.pb.h"

namespace shoal::client {

std::string DescribeStatus(const grpc::Status& status) {
  std::string reason, lines;
  google::rpc::Status details;
  details.ParseFromString(status.error_details());  // what does not parse says nothing
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad;
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&info)) reason = absl::StrCat(" (", info.reason(), ")");
    if (any.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        absl::StrAppend(&lines, "\n  ", violation.field(), ": ", violation.description());
      }
    }
    if (any.UnpackTo(&retry)) {
      absl::StrAppend(
          &lines, "\n  try again in ",
          static_cast<double>(retry.retry_delay().seconds()) + 1e-9 * retry.retry_delay().nanos(),
          " s");
    }
  }
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  return absl::StrCat(absl::StatusCodeToString(code), reason, ": ", status.error_message(), lines);
}

}  // namespace shoal::client
