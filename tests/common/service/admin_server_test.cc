#include "common/service/admin_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::service {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A plain blocking TCP connection to the server.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit = {60, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;

  Client& Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    return *this;
  }
  // Until the server closes, or `end` has come.
  std::string Read(const std::string& end = "") {
    std::string text;
    char buffer[4096];
    while (end.empty() || !absl::EndsWith(text, end)) {
      const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
      if (n <= 0) break;
      text.append(buffer, n);
    }
    return text;
  }

 private:
  const int fd_;
};

std::string Ask(uint16_t port, const std::string& method, const std::string& target) {
  return Client(port)
      .Send(absl::StrCat(method, " ", target, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
      .Read();
}

class AdminServerTest : public ::testing::Test {
 protected:
  void Start(AdminServer::Options options = {}) {
    options.metrics = [] { return std::string("shoal_up 1\n"); };
    options.not_ready = [this] { return std::string(ready_ ? "" : "no engine is up"); };
    auto server = AdminServer::Start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::atomic<bool> ready_{true};
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, AnswersItsThreePaths) {
  Start();
  EXPECT_NE(server_->port(), 0);
  EXPECT_EQ(server_->address(), absl::StrCat("127.0.0.1:", server_->port()));
  const std::string metrics = Ask(server_->port(), "GET", "/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(metrics, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("\r\n\r\nshoal_up 1\n"));
  EXPECT_THAT(Ask(server_->port(), "GET", "/health?x=1"), HasSubstr("\r\n\r\nok\n"));
  EXPECT_THAT(Ask(server_->port(), "GET", "/readyz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, NotReadySaysWhy) {
  Start();
  ready_ = false;
  const std::string answer = Ask(server_->port(), "GET", "/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\nno engine is up\n"));
  EXPECT_THAT(Ask(server_->port(), "GET", "/health"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, RefusesOtherPathsAndMethods) {
  Start();
  EXPECT_THAT(Ask(server_->port(), "GET", "/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask(server_->port(), "GET", "/metrics/.."), StartsWith("HTTP/1.1 404 "));
  const std::string answer = Ask(server_->port(), "DELETE", "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(AdminServerTest, HeadHasTheLengthAndNoBody) {
  Start();
  const std::string answer = Ask(server_->port(), "HEAD", "/metrics");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 11\r\n"));
  EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\n"));
}

TEST_F(AdminServerTest, KeepsAConnectionForSeveralRequests) {
  Start();
  Client client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.Send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(client.Read("ok\n"), StartsWith("HTTP/1.1 200 OK"));
  }
  // Two at once are answered in order.
  client.Send("GET /health HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(client.Read("shoal_up 1\n"), HasSubstr("ok\n"));
}

TEST_F(AdminServerTest, AnswersARequestThatArrivesInPieces) {
  Start();
  Client slow(server_->port());
  slow.Send("GET /hea");
  // Meanwhile others are served.
  EXPECT_THAT(Ask(server_->port(), "GET", "/health"), StartsWith("HTTP/1.1 200 "));
  slow.Send("lth HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(slow.Read(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, HostileBytesGetAnErrorAndHarmNobody) {
  Start({.max_header_bytes = 1024});
  EXPECT_THAT(Client(server_->port()).Send("\x16\x03\x01 no http\r\n\r\n").Read(),
              StartsWith("HTTP/1.1 400 "));
  const std::string long_header(4096, 'a');
  EXPECT_THAT(Client(server_->port())
                  .Send(absl::StrCat("GET /health HTTP/1.1\r\nX: ", long_header, "\r\n\r\n"))
                  .Read(),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(
      Client(server_->port()).Send("GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").Read(),
      StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(server_->port(), "GET", "/health"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ASilentClientIsCutOff) {
  Start({.timeout = absl::Milliseconds(50)});
  Client silent(server_->port());
  silent.Send("GET /");
  EXPECT_EQ(silent.Read(), "");
}

TEST_F(AdminServerTest, WaitingConnectionsAreServedOnceThereIsRoom) {
  Start({.max_connections = 2});
  auto first = std::make_unique<Client>(server_->port());
  auto second = std::make_unique<Client>(server_->port());
  for (Client* client : {first.get(), second.get()}) {
    client->Send("GET /health HTTP/1.1\r\n\r\n").Read("ok\n");
  }
  Client third(server_->port());
  third.Send("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
  first.reset();
  EXPECT_THAT(third.Read(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ManyClientsAtOnce) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 20; ++j) {
        good += absl::StartsWith(Ask(server_->port(), "GET", "/metrics"), "HTTP/1.1 200 ");
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 16 * 20);
}

TEST_F(AdminServerTest, EndsWithConnectionsOpen) {
  Start();
  Client idle(server_->port()), half(server_->port());
  half.Send("GET /metr");
  EXPECT_THAT(Ask(server_->port(), "GET", "/health"), StartsWith("HTTP/1.1 200 "));
  server_.reset();
  EXPECT_EQ(half.Read(), "");
}

TEST_F(AdminServerTest, SaysWhatIsWrongWithItsAddress) {
  for (const char* listen : {"nonsense", "127.0.0.1:http", "192.0.2.1:0"}) {
    const auto server = AdminServer::Start({.listen = listen});
    ASSERT_FALSE(server.ok()) << listen;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(listen));
  }
  Start();
  const auto taken = AdminServer::Start({.listen = server_->address()});
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace shoal::service
