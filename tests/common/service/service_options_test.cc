#include "common/service/service_options.h"

#include "gtest/gtest.h"

namespace shoal::service {
namespace {

TEST(ServiceOptionsTest, FlagsSetThem) {
  ServiceOptions options;
  FlagSet flags("shoal-test", "Tests options.");
  AddServiceFlags(flags, &options);
  const char* argv[] = {"x", "--admin-listen=[::1]:9", "--log-format=json", "--log-level=debug",
                        "--drain-grace=2m"};
  ASSERT_TRUE(flags.Parse(5, argv).ok());
  EXPECT_EQ(options.admin_listen, "[::1]:9");
  EXPECT_EQ(options.log.format, "json");
  EXPECT_EQ(options.log.level, "debug");
  EXPECT_EQ(options.drain_grace, absl::Minutes(2));
}

}  // namespace
}  // namespace shoal::service
