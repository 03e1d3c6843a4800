#include "common/transport/channel_flags.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Channel::Options> Parse(std::vector<const char*> arguments) {
  Channel::Options options;
  options.bind = "tcp://127.0.0.1:9001";
  service::FlagSet set("test", "A test.");
  AddChannelFlags(set, &options);
  arguments.insert(arguments.begin(), "test");
  const auto outcome = set.Parse(static_cast<int>(arguments.size()), arguments.data());
  if (!outcome.ok()) return outcome.status();
  if (absl::Status status = CheckChannelFlags(options); !status.ok()) return status;
  return options;
}

TEST(ChannelFlagsTest, DefaultsStay) {
  const auto options = Parse({});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->bind, "tcp://127.0.0.1:9001");
  EXPECT_EQ(options->advertise, "");
  EXPECT_FALSE(options->allow_insecure_tcp);
  EXPECT_EQ(options->silence, Channel::Options().silence);
}

TEST(ChannelFlagsTest, AllAreTaken) {
  const auto options = Parse({"--inbox=tcp://0.0.0.0:7", "--advertise=tcp://engine-0:7",
                              "--allow-insecure-tcp", "--peer-silence=3s"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->bind, "tcp://0.0.0.0:7");
  EXPECT_EQ(options->advertise, "tcp://engine-0:7");
  EXPECT_TRUE(options->allow_insecure_tcp);
  EXPECT_EQ(options->silence, absl::Seconds(3));
}

TEST(ChannelFlagsTest, ErrorsNameTheFlag) {
  EXPECT_THAT(Parse({"--inbox="}).status().message(), HasSubstr("--inbox"));
  for (const char* bad : {"--peer-silence=0", "--peer-silence=-1s", "--peer-silence=399ms",
                          "--peer-silence=61m", "--peer-silence=inf"}) {
    EXPECT_THAT(Parse({bad}).status().message(), HasSubstr("--peer-silence")) << bad;
  }
}

}  // namespace
}  // namespace shoal::transport
