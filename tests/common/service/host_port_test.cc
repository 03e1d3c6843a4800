#include "common/service/host_port.h"

#include "gtest/gtest.h"

namespace shoal::service {
namespace {

TEST(HostPortTest, Accepts) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } cases[] = {{"127.0.0.1:9100", "127.0.0.1", 9100},
               {"[::1]:0", "::1", 0},
               {"example.org:65535", "example.org", 65535}};
  for (const auto& c : cases) {
    const auto parsed = ParseHostPort(c.text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->host, c.host);
    EXPECT_EQ(parsed->port, c.port);
  }
}

TEST(HostPortTest, Refuses) {
  for (const char* text :
       {"", "localhost", ":80", "host:", "host:65536", "host:-1", "host:+1", "host: 1", "host:1 ",
        "host:1x", "::1:80", "[::1:80", "[::1]", "host:99999999999"}) {
    EXPECT_FALSE(ParseHostPort(text).ok()) << text;
  }
}

}  // namespace
}  // namespace shoal::service
