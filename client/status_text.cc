#include "client/status_text.h"

#include <algorithm>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "google/rpc/error_model.pb.h"

namespace shoal::client {
namespace {

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

std::string ReasonText(const google::rpc::ErrorInfo& info) {
  std::string text = absl::StrCat("reason ", info.reason());
  // Sorted, so that the same refusal always reads the same.
  const std::map<std::string, std::string> metadata(info.metadata().begin(), info.metadata().end());
  for (const auto& [key, value] : metadata) absl::StrAppend(&text, ", ", key, " ", value);
  return text;
}

std::string RetryText(const google::rpc::RetryInfo& retry) {
  const double seconds =
      static_cast<double>(retry.retry_delay().seconds()) + retry.retry_delay().nanos() * 1e-9;
  return absl::StrFormat("try again after %g s", seconds);
}

std::string DetailLines(const google::protobuf::Any& detail) {
  std::string lines;
  const auto add = [&](const std::string& line) {
    absl::StrAppend(&lines, "  ", OneLine(line), "\n");
  };
  google::rpc::BadRequest bad;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  if (detail.UnpackTo(&bad)) {
    for (const auto& violation : bad.field_violations()) {
      add(absl::StrCat(violation.field(), ": ", violation.description()));
    }
  } else if (detail.UnpackTo(&info)) {
    add(ReasonText(info));
  } else if (detail.UnpackTo(&retry)) {
    add(RetryText(retry));
  }
  return lines;
}

}  // namespace

std::string CodeName(grpc::StatusCode code) {
  // gRPC and Abseil number and name their codes alike.
  const std::string name = absl::StatusCodeToString(static_cast<absl::StatusCode>(code));
  return name.empty() ? absl::StrCat("CODE ", static_cast<int>(code)) : name;
}

std::string StatusText(const grpc::Status& status) {
  std::string text =
      absl::StrCat(CodeName(status.error_code()), ": ", OneLine(status.error_message()), "\n");
  google::rpc::Status wire;
  if (!wire.ParseFromString(status.error_details())) return text;
  for (const google::protobuf::Any& detail : wire.details()) text += DetailLines(detail);
  return text;
}

}  // namespace shoal::client
