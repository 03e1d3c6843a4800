// What strangers can send to an inbox, and that it harms nobody.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"
#include "tests/common/transport/sample_messages.h"
#include "tests/common/transport/test_process.h"
#include "zmq.hpp"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

constexpr uint64_t kStranger = 0x1122334455667788;

std::string RoutingId(uint64_t incarnation, uint64_t link = 1) {
  std::string id(17, 'S');
  std::memcpy(&id[1], &incarnation, 8);
  std::memcpy(&id[9], &link, 8);
  return id;
}

std::string Encoded(const Message& message) {
  std::string bytes(EncodedBytes(message), 0);
  Encode(message, bytes.data());
  return bytes;
}

// A ZeroMQ socket that follows none of the rules.
class Stranger {
 public:
  Stranger(const std::string& inbox, const std::string& routing_id,
           zmq::socket_type type = zmq::socket_type::dealer)
      : socket_(context_, type) {
    socket_.set(zmq::sockopt::linger, 0);
    if (!routing_id.empty()) socket_.set(zmq::sockopt::routing_id, routing_id);
    socket_.connect(inbox);
  }
  void Send(const std::vector<std::string>& frames) {
    for (size_t i = 0; i < frames.size(); ++i) {
      socket_.send(zmq::buffer(frames[i]),
                   i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  void Send(const Message& message) { Send(std::vector<std::string>{Encoded(message)}); }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

// Two peers at work; afterwards messages must still pass between them as if nothing had happened.
class HostilePeerTest : public ::testing::Test {
 protected:
  static Channel::Options Options(std::vector<std::string> dial = {}) {
    Channel::Options options = PatientOptions();
    options.dial = std::move(dial);
    options.limits.max_message_bytes = 1 << 20;
    options.limits.max_envelope_bytes = 1 << 16;
    return options;
  }
  void SetUp() override {
    ASSERT_TRUE(victim_.WaitUp(friend_.incarnation()));
    ASSERT_TRUE(friend_.WaitUp(victim_.incarnation()));
  }
  void TearDown() override {
    const size_t before = victim_.heard().messages.size();
    ASSERT_TRUE(friend_.channel().Send(victim_.incarnation(), SampleGenerate(4, 9)).ok());
    ASSERT_TRUE(
        victim_.Wait([&](const Heard& heard) { return heard.messages.size() == before + 1; }));
    EXPECT_EQ(victim_.heard().ups.size(), 1u);
    EXPECT_TRUE(victim_.heard().downs.empty());
  }
  void ExpectDropped(DropReason reason, uint64_t n) {
    EXPECT_TRUE(victim_.WaitCounters([&](const ChannelCounters& c) {
      return c.dropped_for(reason) >= n;
    })) << DropReasonName(reason)
        << " " << victim_.channel().counters().dropped_for(reason);
    EXPECT_EQ(victim_.channel().counters().dropped_for(reason), n);
  }
  std::string inbox() { return victim_.channel().inbox(); }
  // A message that would be right if its sender were somebody.
  Message Addressed(Message message) {
    message.envelope.set_incarnation(kStranger);
    message.envelope.set_to_incarnation(victim_.incarnation());
    return message;
  }

  TestProcess victim_{Options()};
  TestProcess friend_{Options({victim_.channel().inbox()})};
};

TEST_F(HostilePeerTest, FramesThatAreNoMessage) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  stranger.Send(std::vector<std::string>{"\xff\xff"});
  stranger.Send(std::vector<std::string>{std::string("\0\0\0\0\4\0\0\0\xff\xff\xff\xff", 12)});
  stranger.Send(std::vector<std::string>{""});
  stranger.Send(std::vector<std::string>{"", "", ""});
  stranger.Send(std::vector<std::string>(100, Encoded(Addressed(SampleCancel()))));
  ExpectDropped(DropReason::kMalformed, 3);
  ExpectDropped(DropReason::kFrames, 2);
}

TEST_F(HostilePeerTest, OtherSocketTypesAndRoutingIds) {
  Stranger nameless(inbox(), "");
  nameless.Send(Addressed(SampleCancel()));
  Stranger odd(inbox(), "S23");
  odd.Send(Addressed(SampleCancel()));
  Stranger request(inbox(), RoutingId(kStranger), zmq::socket_type::req);
  request.Send(Addressed(SampleCancel()));  // REQ puts an empty frame ahead
  ExpectDropped(DropReason::kFrames, 3);
}

TEST_F(HostilePeerTest, TooMuch) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  Message message = Addressed(SampleCancel());
  message.parts.assign(100, "part");
  stranger.Send(message);
  message.parts.clear();
  message.envelope.set_traceparent(std::string(100'000, 't'));
  stranger.Send(message);
  ExpectDropped(DropReason::kTooLarge, 2);
}

TEST_F(HostilePeerTest, AFrameOverTheLimitEndsTheConnectionOfItsSenderAlone) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  stranger.Send(std::vector<std::string>{std::string(8 << 20, 'x')});
  // It is never seen here, so there is nothing to wait for: TearDown shows that all is well.
}

TEST_F(HostilePeerTest, AnotherVersion) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  Message message = Addressed(SampleHello());
  message.envelope.set_version(2);
  stranger.Send(message);
  ExpectDropped(DropReason::kVersion, 1);
}

TEST_F(HostilePeerTest, SizesThatLie) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  Message message = Addressed(SampleFrame(1, 4));
  message.envelope.mutable_frame()->mutable_codes()->set_shape(0, 0x40000001);
  stranger.Send(message);
  message = Addressed(SampleAudio(2, 4, 8));
  message.parts.pop_back();
  stranger.Send(message);
  ExpectDropped(DropReason::kMalformed, 2);
}

TEST_F(HostilePeerTest, AnIdentityThatIsNotItsOwn) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  Message message = SampleCancel();
  message.envelope.set_to_incarnation(victim_.incarnation());
  message.envelope.set_incarnation(friend_.incarnation());  // not the connection's
  stranger.Send(message);
  ExpectDropped(DropReason::kIdentity, 1);
  Stranger mirror(inbox(), RoutingId(victim_.incarnation()));
  message.envelope.set_incarnation(victim_.incarnation());  // the receiver's
  mirror.Send(message);
  ExpectDropped(DropReason::kIdentity, 2);
  // Under the friend's name, but not of this meeting, whose number nobody else knows... nor needs
  // to: any number that is not the current one is dropped.
  Stranger twin(inbox(), RoutingId(friend_.incarnation(), 77));
  message.envelope.set_incarnation(friend_.incarnation());
  message.envelope.set_peering(0);
  twin.Send(message);
  ExpectDropped(DropReason::kStale, 1);
}

TEST_F(HostilePeerTest, AStrangerThatHasNotSaidHello) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  int sent = 0;
  for (const Message& sample : AllSamples()) {
    if (sample.envelope.has_hello() || sample.envelope.has_hello_ack()) continue;
    stranger.Send(Addressed(sample));
    ++sent;
  }
  ExpectDropped(DropReason::kUnknown, sent);
  Message elsewhere = Addressed(SampleCancel());
  elsewhere.envelope.set_to_incarnation(5);
  stranger.Send(elsewhere);
  stranger.Send(Addressed(SampleHelloAck()));
  ExpectDropped(DropReason::kStale, 2);
}

TEST_F(HostilePeerTest, HellosThatLeadNowhereOrToAnother) {
  Stranger stranger(inbox(), RoutingId(kStranger));
  Message hello = Addressed(SampleHello());
  hello.envelope.mutable_hello()->set_inbox("tcp://127.0.0.1:1");
  stranger.Send(hello);
  hello.envelope.mutable_hello()->set_inbox(friend_.channel().inbox());
  stranger.Send(hello);
  hello.envelope.mutable_hello()->set_inbox(inbox());
  stranger.Send(hello);
  hello.envelope.mutable_hello()->set_inbox("ipc:///proc/self/mem");
  stranger.Send(hello);
  hello.envelope.mutable_hello()->set_inbox("tcp://*:1");
  stranger.Send(hello);
  ExpectDropped(DropReason::kMalformed, 1);
}

TEST_F(HostilePeerTest, RandomFrames) {
  std::mt19937 random(7);
  Stranger stranger(inbox(), RoutingId(kStranger));
  const std::vector<Message> samples = AllSamples();
  constexpr int kMessages = 3000;
  for (int i = 0; i < kMessages; ++i) {
    std::vector<std::string> frames;
    if (i % 2 == 0) {
      const size_t n = 1 + random() % 3;
      for (size_t f = 0; f < n; ++f) {
        frames.emplace_back(random() % 200, 0);
        for (char& c : frames.back()) c = static_cast<char>(random());
      }
    } else {  // one byte of a good message is another one
      frames = {Encoded(Addressed(samples[random() % samples.size()]))};
      frames[0][random() % frames[0].size()] = static_cast<char>(random());
    }
    stranger.Send(frames);
  }
  EXPECT_TRUE(victim_.WaitCounters(
      [](const ChannelCounters& c) { return c.messages_received >= kMessages; }));
}

// Sends bytes to a port of loopback and hangs up.
void SendRaw(uint32_t port, const std::string& bytes) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  close(fd);
}

uint32_t PortOf(const std::string& inbox) {
  uint32_t port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(inbox.substr(inbox.rfind(':') + 1), &port));
  return port;
}

// Bytes that look like ZMTP 1 have made libzmq abort when they came while the inbox was closing, as
// here at the end of the test.
TEST_F(HostilePeerTest, BytesThatAreNoZeroMq) {
  std::mt19937 random(11);
  for (int i = 0; i < 50; ++i) {
    std::string bytes(random() % 4096, 0);
    for (char& c : bytes) c = static_cast<char>(random());
    if (i % 2 == 0) {  // a greeting that ZeroMQ takes, then noise
      const char greeting[] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL";
      bytes.insert(0, std::string(greeting, 16) + std::string(48, 0));
    }
    SendRaw(PortOf(inbox()), bytes);
  }
}

}  // namespace
}  // namespace shoal::transport
