#include "common/service/status_code.h"

#include "gtest/gtest.h"

namespace shoal::service {
namespace {

TEST(StatusCodeTest, EveryCodeComesBack) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status = StatusFrom(code, "why");
    EXPECT_EQ(CodeOf(status), code);
    EXPECT_EQ(status.message(), "why");
  }
  EXPECT_TRUE(StatusFrom(0, "ignored").ok());
  EXPECT_EQ(CodeOf(absl::OkStatus()), 0);
}

TEST(StatusCodeTest, OtherNumbersAreUnknown) {
  for (const int32_t code : {-1, 17, 1 << 30, -(1 << 30)}) {
    EXPECT_EQ(StatusFrom(code, "x").code(), absl::StatusCode::kUnknown);
  }
}

}  // namespace
}  // namespace shoal::service
