#include "client/status_text.h"

#include <gtest/gtest.h>

#include "google/rpc/error_model.pb.h"

namespace shoal::client {
namespace {

TEST(StatusText, WithoutDetailsIsOneLine) {
  EXPECT_EQ(StatusText(grpc::Status(grpc::UNAVAILABLE, "nobody is there")),
            "UNAVAILABLE: nobody is there\n");
}

TEST(StatusText, EveryDetailIsALine) {
  google::rpc::BadRequest bad;
  for (const char* field : {"config.sampling.top_p", "config.audio.sample_rate_hz"}) {
    auto& violation = *bad.add_field_violations();
    violation.set_field(field);
    violation.set_description("expected less");
  }
  google::rpc::ErrorInfo info;
  info.set_reason("INVALID_FIELD");
  (*info.mutable_metadata())["limit"] = "5";
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500000000);
  google::rpc::Status wire;
  wire.add_details()->PackFrom(bad);
  wire.add_details()->PackFrom(info);
  wire.add_details()->PackFrom(retry);
  EXPECT_EQ(StatusText(grpc::Status(grpc::INVALID_ARGUMENT, "no", wire.SerializeAsString())),
            "INVALID_ARGUMENT: no\n"
            "  config.sampling.top_p: expected less\n"
            "  config.audio.sample_rate_hz: expected less\n"
            "  reason INVALID_FIELD, limit 5\n"
            "  try again after 1.5 s\n");
}

TEST(StatusText, DetailsThatCannotBeReadAreLeftOut) {
  EXPECT_EQ(StatusText(grpc::Status(grpc::INTERNAL, "no", "\xff\xff")), "INTERNAL: no\n");
  google::rpc::Status wire;
  wire.add_details()->set_type_url("type.googleapis.com/unknown.Type");
  EXPECT_EQ(StatusText(grpc::Status(grpc::INTERNAL, "no", wire.SerializeAsString())),
            "INTERNAL: no\n");
}

TEST(StatusText, AServerCannotWriteToTheTerminal) {
  EXPECT_EQ(StatusText(grpc::Status(grpc::INTERNAL, "a\x1b[2J\nb")), "INTERNAL: a [2J b\n");
}

TEST(StatusText, UnknownCodesAreNumbers) {
  EXPECT_EQ(CodeName(static_cast<grpc::StatusCode>(20)), "CODE 20");
  EXPECT_EQ(CodeName(grpc::RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
}

}  // namespace
}  // namespace shoal::client
