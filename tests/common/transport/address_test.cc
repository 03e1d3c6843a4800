#include "common/transport/address.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::transport {
namespace {

using ::testing::HasSubstr;

class AddressTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder_), nullptr); }
  void TearDown() override { rmdir(folder_); }
  char folder_[32] = "/tmp/shoal-address-XXXXXX";
};

TEST_F(AddressTest, InboxesThatCanBeDialled) {
  for (const char* inbox : {"tcp://127.0.0.1:9001", "tcp://[::1]:9001",
                            "tcp://engine-0.engines.svc:65535", "ipc:///run/shoal/x.sock"}) {
    EXPECT_TRUE(CheckInbox(inbox).ok()) << inbox;
  }
}

TEST_F(AddressTest, InboxesThatCannot) {
  for (const std::string& inbox :
       {std::string("tcp://127.0.0.1"), std::string("tcp://127.0.0.1:0"),
        std::string("tcp://127.0.0.1:*"), std::string("tcp://*:9001"),
        std::string("tcp://eth0;10.0.0.1:9001"), std::string("ipc://relative"),
        std::string("ipc://@abstract"), std::string("ipc:///run/shoal/"), std::string("inproc://x"),
        std::string("tcp://host name:1"), std::string("tcp://h\n:1"),
        std::string("tcp://h\0:1", 10), "ipc:///" + std::string(120, 'x'),
        "tcp://" + std::string(300, 'h') + ":1", std::string()}) {
    EXPECT_FALSE(CheckInbox(inbox).ok()) << inbox;
  }
}

TEST_F(AddressTest, TcpBeyondLoopbackNeedsPermission) {
  for (const char* address : {"tcp://0.0.0.0:9001", "tcp://*:9001", "tcp://10.1.2.3:*",
                              "tcp://[::]:9001", "tcp://eth0:9001"}) {
    const absl::Status status = PrepareBind(address, false);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("allow insecure TCP"));
    EXPECT_TRUE(PrepareBind(address, true).ok()) << address;
  }
  for (const char* address :
       {"tcp://127.0.0.1:9001", "tcp://127.8.8.8:*", "tcp://[::1]:*", "tcp://localhost:0"}) {
    EXPECT_TRUE(PrepareBind(address, false).ok()) << address;
  }
}

TEST_F(AddressTest, ALoopbackLookAlikeIsNotLoopback) {
  for (const char* address : {"tcp://127.0.0.1.example.org:1", "tcp://127:1",
                              "tcp://localhost.example.org:1", "tcp://0127.0.0.1:1"}) {
    EXPECT_FALSE(PrepareBind(address, false).ok()) << address;
  }
}

TEST_F(AddressTest, TheFolderOfAnIpcSocketIsMadePrivate) {
  const std::string folder = std::string(folder_) + "/sockets";
  const mode_t before = umask(0);
  EXPECT_TRUE(PrepareBind("ipc://" + folder + "/x.sock", false).ok());
  umask(before);
  struct stat status;
  ASSERT_EQ(stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  EXPECT_TRUE(PrepareBind("ipc://" + folder + "/x.sock", false).ok()) << "again";
  ASSERT_EQ(chmod(folder.c_str(), 0750), 0);
  EXPECT_EQ(PrepareBind("ipc://" + folder + "/x.sock", false).code(),
            absl::StatusCode::kFailedPrecondition);
  rmdir(folder.c_str());
}

TEST_F(AddressTest, AnIpcFolderMustBeOneItself) {
  const std::string link = std::string(folder_) + "/link";
  ASSERT_EQ(symlink(folder_, link.c_str()), 0);
  EXPECT_FALSE(PrepareBind("ipc://" + link + "/x.sock", false).ok());
  unlink(link.c_str());
  EXPECT_FALSE(PrepareBind("ipc://" + std::string(folder_) + "/a/b/x.sock", false).ok());
}

TEST_F(AddressTest, Wildcards) {
  EXPECT_TRUE(IsWildcard("tcp://0.0.0.0:1"));
  EXPECT_TRUE(IsWildcard("tcp://*:1"));
  EXPECT_TRUE(IsWildcard("tcp://[::]:1"));
  EXPECT_FALSE(IsWildcard("tcp://127.0.0.1:1"));
  EXPECT_FALSE(IsWildcard("ipc:///x"));
}

}  // namespace
}  // namespace shoal::transport
