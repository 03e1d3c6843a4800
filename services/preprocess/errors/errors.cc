#include "services/preprocess/errors/errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_model.pb.h"

namespace shoal::preprocess {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";

template <typename Detail>
void Attach(const Detail& detail, absl::Status* status) {
  status->SetPayload(absl::StrCat(kTypePrefix, Detail::descriptor()->full_name()),
                     absl::Cord(detail.SerializeAsString()));
}

}  // namespace

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain("shoal");
  Attach(info, &status);
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view description,
                          absl::string_view reason) {
  google::rpc::BadRequest details;
  google::rpc::BadRequest::FieldViolation& violation = *details.add_field_violations();
  violation.set_field(std::string(field));
  violation.set_description(std::string(description));
  absl::Status status =
      WithReason(absl::InvalidArgumentError(absl::StrCat(field, ": ", description)), reason);
  Attach(details, &status);
  return status;
}

absl::Status RetryLater(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                        absl::Duration delay) {
  google::rpc::RetryInfo retry;
  const absl::Duration rest = delay % absl::Seconds(1);
  retry.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  absl::Status status = WithReason(absl::Status(code, message), reason);
  Attach(retry, &status);
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto payload = status.GetPayload(
      absl::StrCat(kTypePrefix, google::rpc::ErrorInfo::descriptor()->full_name()));
  google::rpc::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload))) return "";
  return info.reason();
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status wire;
  wire.set_code(static_cast<int32_t>(status.code()));
  wire.set_message(std::string(status.message()));
  status.ForEachPayload([&](absl::string_view type, const absl::Cord& payload) {
    google::protobuf::Any& detail = *wire.add_details();
    detail.set_type_url(std::string(type));
    detail.set_value(std::string(payload));
  });
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), wire.message(),
                      wire.SerializeAsString());
}

}  // namespace shoal::preprocess
