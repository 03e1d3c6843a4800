#include "common/transport/channel.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <numeric>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/transport/channel_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/transport/sample_messages.h"
#include "tests/common/transport/test_process.h"

namespace shoal::transport {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace v1 = pipeline::v1;

class ChannelTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(folder_), nullptr); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Ipc(const std::string& name) const {
    return absl::StrCat("ipc://", folder_, "/", name);
  }
  Channel::Options At(const std::string& bind, std::vector<std::string> dial = {}) const {
    Channel::Options options = PatientOptions();
    options.bind = bind;
    options.dial = std::move(dial);
    return options;
  }

  char folder_[32] = "/tmp/shoal-channel-XXXXXX";
};

TEST_F(ChannelTest, MeetOverTcpWhoeverDials) {
  TestProcess first;
  TestProcess second(At("", {first.channel().inbox()}));
  EXPECT_TRUE(absl::StartsWith(first.channel().inbox(), "tcp://127.0.0.1:"));
  ASSERT_TRUE(first.WaitUp(second.incarnation()));
  ASSERT_TRUE(second.WaitUp(first.incarnation()));
  EXPECT_EQ(first.channel().peers().size(), 1u);
  EXPECT_EQ(first.heard().ups[0].inbox, second.channel().inbox());
  EXPECT_TRUE(second.WaitCounters(
      [&](const ChannelCounters&) { return second.channel().unanswered().empty(); }));
}

TEST_F(ChannelTest, MeetOverIpcThoughTheDialledOneStartsLater) {
  TestProcess first(At(Ipc("a"), {Ipc("b")}));
  TestProcess second(At(Ipc("b")));
  ASSERT_TRUE(first.WaitUp(second.incarnation()));
  ASSERT_TRUE(second.WaitUp(first.incarnation()));
}

TEST_F(ChannelTest, MeetWhenBothDial) {
  TestProcess first(At(Ipc("a"), {Ipc("b")}));
  TestProcess second(At(Ipc("b"), {Ipc("a")}));
  ASSERT_TRUE(first.WaitUp(second.incarnation()));
  ASSERT_TRUE(second.WaitUp(first.incarnation()));
}

TEST_F(ChannelTest, PeersSayWhatTheyAreAndHowTheyAre) {
  Channel::Options options = At(Ipc("a"));
  options.self.set_stage(v1::VOCODER);
  options.self.mutable_capacity()->set_streams(12);
  options.heartbeat_interval = absl::Milliseconds(5);
  std::atomic<uint64_t> step{0};
  options.heartbeat = [&] {
    v1::Heartbeat heartbeat;
    heartbeat.set_step(++step);
    heartbeat.set_running(3);
    return heartbeat;
  };
  TestProcess vocoder(options);
  TestProcess front(At(Ipc("b"), {Ipc("a")}));
  ASSERT_TRUE(front.WaitUp(vocoder.incarnation()));
  const Peer peer = front.heard().ups[0];
  EXPECT_EQ(peer.stage, v1::VOCODER);
  EXPECT_EQ(peer.hello.capacity().streams(), 12u);
  ASSERT_TRUE(front.WaitCounters([&](const ChannelCounters&) {
    const auto peers = front.channel().peers();
    return peers.size() == 1 && peers[0].heartbeat.running() == 3 && peers[0].heartbeat.step() >= 5;
  }));
}

// Sends until it is taken: what is over the bound comes later.
void SendAll(TestProcess& from, uint64_t to, int n,
             const std::function<Message(int)>& make_message) {
  for (int i = 0; i < n; ++i) {
    for (;;) {
      const absl::Status status = from.channel().Send(to, make_message(i));
      if (status.ok()) break;
      ASSERT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
      std::this_thread::yield();
    }
  }
}

// A frame whose codes say which one it is.
Message NumberedFrame(int number) {
  Message message;
  v1::Frame* frame = message.envelope.mutable_frame();
  frame->mutable_stream()->set_low(1);
  frame->set_frame(number);
  const uint32_t n = 1 + number % 3;
  std::vector<int32_t> codes(n * 10);
  std::iota(codes.begin(), codes.end(), number);
  AttachInt32(message, frame->mutable_codes(), codes, {n, 10});
  return message;
}

TEST_F(ChannelTest, TenThousandMessagesArriveInOrderAndIntactBothWays) {
  constexpr int kMessages = 10'000;
  for (const bool ipc : {false, true}) {
    Channel::Options options = At(ipc ? Ipc("a") : "");
    options.self.mutable_limits()->set_num_codebooks(10);
    TestProcess a(options);
    TestProcess b(At(ipc ? Ipc("b") : "", {a.channel().inbox()}));
    ASSERT_TRUE(a.WaitUp(b.incarnation()));
    ASSERT_TRUE(b.WaitUp(a.incarnation()));
    std::thread other([&] { SendAll(b, a.incarnation(), kMessages, NumberedFrame); });
    SendAll(a, b.incarnation(), kMessages, NumberedFrame);
    other.join();
    for (TestProcess* process : {&a, &b}) {
      ASSERT_TRUE(
          process->Wait([](const Heard& heard) { return heard.messages.size() == kMessages; }));
      const Heard heard = process->heard();
      for (int i = 0; i < kMessages; ++i) {
        const Message& message = heard.messages[i].second;
        const v1::Frame& frame = message.envelope.frame();
        ASSERT_EQ(frame.frame(), static_cast<uint32_t>(i));
        const auto codes = ReadInt32(message, frame.codes(), 2).value();
        ASSERT_EQ(codes.size(), (1 + i % 3) * 10u);
        for (size_t j = 0; j < codes.size(); ++j) ASSERT_EQ(codes[j], i + static_cast<int>(j));
      }
      EXPECT_THAT(process->channel().counters().dropped, ::testing::Each(0u));
    }
  }
}

TEST_F(ChannelTest, ALargeMessageArrives) {
  TestProcess a(At("")), b(At("", {a.channel().inbox()}));
  ASSERT_TRUE(b.WaitUp(a.incarnation()));
  Message message = SampleGenerate(10, 100'000);
  ASSERT_TRUE(b.channel().Send(a.incarnation(), message).ok());
  ASSERT_TRUE(a.Wait([](const Heard& heard) { return heard.messages.size() == 1; }));
  EXPECT_EQ(a.heard().messages[0].second.parts, message.parts);
}

TEST_F(ChannelTest, SendSaysWhyItDoesNotTakeAMessage) {
  TestProcess a(At("")), b(At("", {a.channel().inbox()}));
  ASSERT_TRUE(b.WaitUp(a.incarnation()));
  EXPECT_EQ(b.channel().Send(12345, SampleCancel()).code(), absl::StatusCode::kUnavailable);
  Message large = SampleCancel();
  large.parts.emplace_back(17 << 20, 'x');
  EXPECT_EQ(b.channel().Send(a.incarnation(), large).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(b.channel().counters().sends_refused, 1u);
}

TEST_F(ChannelTest, APeerThatDoesNotReadFillsItsBoundAndLosesNothing) {
  std::promise<void> promise;
  const std::shared_future<void> go_on = promise.get_future().share();
  std::atomic<uint32_t> next{0};
  std::atomic<bool> in_order{true};
  Channel::Options options = At(Ipc("slow"));
  options.high_water_mark = 10;
  TestProcess slow(options, [&](uint64_t, Message message) {
    go_on.wait();
    if (message.envelope.frame().frame() != next++) in_order = false;
  });
  options = At(Ipc("a"), {slow.channel().inbox()});
  options.high_water_mark = 10;
  options.max_queued_messages = 20;
  TestProcess sender(options);
  ASSERT_TRUE(sender.WaitUp(slow.incarnation()));
  uint32_t taken = 0;
  absl::Status status;
  // The kernel's buffers hold some as well; large messages fill them.
  while (status.ok()) {
    Message message = NumberedFrame(static_cast<int>(taken));
    message.envelope.set_traceparent(std::string(500'000, 't'));
    status = sender.channel().Send(slow.incarnation(), std::move(message));
    if (status.ok()) ++taken;
    ASSERT_LT(taken, 10'000u);
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is behind"));
  promise.set_value();
  ASSERT_TRUE(slow.WaitCounters([&](const ChannelCounters&) { return next == taken; }));
  EXPECT_TRUE(in_order);
}

TEST_F(ChannelTest, QueuedBytesAreBoundedToo) {
  TestProcess a(At(""));
  Channel::Options options = At("", {a.channel().inbox()});
  options.max_queued_bytes = 1000;
  TestProcess b(options);
  ASSERT_TRUE(b.WaitUp(a.incarnation()));
  EXPECT_EQ(b.channel().Send(a.incarnation(), SampleGenerate(10, 100)).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ChannelTest, ARestartedPeerIsDownAndTheNewOneUp) {
  TestProcess front(At(Ipc("front"), {Ipc("engine")}));
  for (int i = 0; i < 3; ++i) {
    TestProcess engine(At(Ipc("engine")));
    const uint64_t incarnation = engine.incarnation();
    ASSERT_TRUE(front.WaitUp(incarnation));
    ASSERT_TRUE(front.channel().Send(incarnation, SampleCancel()).ok());
    ASSERT_TRUE(engine.Wait([](const Heard& heard) { return heard.messages.size() == 1; }));
    engine.Stop();
    ASSERT_TRUE(front.WaitDown(incarnation));
    EXPECT_EQ(front.channel().Send(incarnation, SampleCancel()).code(),
              absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(front.heard().downs.size(), 3u);
  EXPECT_THAT(front.heard().downs[0].second, HasSubstr("connection closed"));
}

TEST_F(ChannelTest, ASilentPeerIsDown) {
  Channel::Options options = At(Ipc("mute"));
  options.heartbeat_interval = absl::Hours(1);
  TestProcess mute(options);
  options = At(Ipc("a"), {Ipc("mute")});
  options.silence = absl::Milliseconds(300);
  TestProcess a(options);
  ASSERT_TRUE(a.WaitUp(mute.incarnation()));
  ASSERT_TRUE(a.Wait([](const Heard& heard) { return !heard.downs.empty(); }));
  EXPECT_THAT(a.heard().downs[0].second, HasSubstr("silent for 300ms"));
  // The other side hears of it, though it waits for a minute by itself.
  ASSERT_TRUE(mute.WaitUp(a.incarnation()));
  ASSERT_TRUE(mute.Wait([](const Heard& heard) { return !heard.downs.empty(); }));
  EXPECT_THAT(mute.heard().downs[0].second,
              AnyOf(HasSubstr("given this process up"), HasSubstr("connection closed")));
}

TEST_F(ChannelTest, AStalledPeerIsDownUntilItsStepMoves) {
  std::atomic<uint64_t> step{5};
  Channel::Options options = At(Ipc("stage"));
  options.heartbeat_interval = absl::Milliseconds(10);
  options.heartbeat = [&] {
    v1::Heartbeat heartbeat;
    heartbeat.set_busy(true);
    heartbeat.set_step(step);
    return heartbeat;
  };
  TestProcess stage(options);
  options = At(Ipc("a"), {Ipc("stage")});
  options.stall = absl::Milliseconds(200);
  TestProcess a(options);
  ASSERT_TRUE(a.Wait([](const Heard& heard) { return !heard.downs.empty(); }));
  EXPECT_THAT(a.heard().downs[0].second, HasSubstr("stalled: step 5"));
  ASSERT_TRUE(stage.Wait([](const Heard& heard) { return !heard.downs.empty(); }));
  step = 6;
  ASSERT_TRUE(a.Wait([](const Heard& heard) { return heard.ups.size() >= 2; }));
}

TEST_F(ChannelTest, DialByIncarnationQueuesUntilThePeerIsUp) {
  TestProcess engine(At(Ipc("engine")));
  // The vocoder is not there yet, but its name is known.
  constexpr uint64_t kVocoder = 4242;
  ASSERT_TRUE(engine.channel().Dial(Ipc("vocoder"), kVocoder).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(engine.channel().Send(kVocoder, NumberedFrame(i)).ok());
  }
  Channel::Options options = At(Ipc("vocoder"));
  options.incarnation = kVocoder;
  TestProcess vocoder(options);
  ASSERT_TRUE(vocoder.Wait([](const Heard& heard) { return heard.messages.size() == 5; }));
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(vocoder.heard().messages[i].second.envelope.frame().frame(), i);
  }
  ASSERT_TRUE(engine.WaitUp(kVocoder));
  EXPECT_TRUE(engine.channel().Dial(Ipc("vocoder"), kVocoder).ok()) << "again, it is up";
}

TEST_F(ChannelTest, DialByIncarnationEndsInDownWhenItCannotWork) {
  Channel::Options options = At(Ipc("engine"));
  options.dial_limit = absl::Milliseconds(200);
  TestProcess engine(options);
  ASSERT_TRUE(engine.channel().Dial(Ipc("nobody"), 7).ok());
  ASSERT_TRUE(engine.channel().Send(7, SampleCancel()).ok());
  ASSERT_TRUE(engine.WaitDown(7));
  EXPECT_EQ(engine.channel().Send(7, SampleCancel()).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(engine.channel().counters().undelivered, 1u);
  TestProcess other(At(Ipc("other")));
  ASSERT_TRUE(engine.channel().Dial(Ipc("other"), 8).ok());
  ASSERT_TRUE(engine.WaitDown(8));
  EXPECT_FALSE(engine.channel().Dial("tcp://*:1", 9).ok());
  EXPECT_FALSE(engine.channel().Dial(Ipc("other"), 0).ok());
  EXPECT_FALSE(engine.channel().Dial(Ipc("engine"), engine.incarnation()).ok());
}

TEST_F(ChannelTest, DialFromAHandlerAndLaterByAddressOnly) {
  TestProcess a(At(Ipc("a"))), b(At(Ipc("b")));
  ASSERT_TRUE(a.channel().Dial(Ipc("b")).ok());
  ASSERT_TRUE(a.WaitUp(b.incarnation()));
  ASSERT_TRUE(b.WaitUp(a.incarnation()));
}

TEST_F(ChannelTest, WhoDoesNotFitIsRefusedWithTheReason) {
  Channel::Options options = At(Ipc("vocoder"));
  options.self.mutable_limits()->set_frame_length(512);
  TestProcess vocoder(options);
  options = At(Ipc("front"), {Ipc("vocoder")});
  options.self.mutable_limits()->set_frame_length(2048);
  TestProcess front(options);
  ASSERT_TRUE(vocoder.WaitCounters(
      [](const ChannelCounters& c) { return c.dropped_for(DropReason::kRefused) > 0; }));
  ASSERT_TRUE(front.WaitCounters([&](const ChannelCounters&) {
    const auto lines = front.channel().unanswered();
    return lines.size() == 1 && absl::StrContains(lines[0], "frame_length");
  }));
  EXPECT_THAT(front.channel().peers(), IsEmpty());
  EXPECT_THAT(vocoder.channel().peers(), IsEmpty());
}

TEST_F(ChannelTest, TheHookDecidesWhoFits) {
  Channel::Options options = At(Ipc("a"));
  options.compatible = [](const v1::Hello&, const v1::Hello& theirs) {
    return std::string(theirs.capacity().streams() == 13 ? "unlucky" : "");
  };
  TestProcess a(options);
  options = At(Ipc("b"), {Ipc("a")});
  options.self.mutable_capacity()->set_streams(13);
  TestProcess b(options);
  ASSERT_TRUE(b.WaitCounters([&](const ChannelCounters&) {
    const auto lines = b.channel().unanswered();
    return lines.size() == 1 && absl::StrContains(lines[0], "it refuses: unlucky");
  }));
  TestProcess c(At(Ipc("c"), {Ipc("a")}));
  ASSERT_TRUE(a.WaitUp(c.incarnation()));
}

TEST_F(ChannelTest, WrongOptionsAreRefusedAtStart) {
  const auto start = [](const std::string& bind, const std::string& advertise = "",
                        std::vector<std::string> dial = {}, bool insecure = false) {
    Channel::Options options;
    options.self.set_stage(v1::FRONT);
    options.bind = bind;
    options.advertise = advertise;
    options.dial = std::move(dial);
    options.allow_insecure_tcp = insecure;
    return Channel::Start(std::move(options), {}).status();
  };
  EXPECT_EQ(start("tcp://0.0.0.0:*", "tcp://10.0.0.1:9").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(start("tcp://0.0.0.0:*", "tcp://10.0.0.1:9", {}, true).ok());
  EXPECT_THAT(std::string(start("tcp://0.0.0.0:*", "", {}, true).message()),
              HasSubstr("which address to advertise"));
  EXPECT_EQ(start("nonsense").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(start("tcp://127.0.0.1:*", "", {"tcp://*:1"}).code(),
            absl::StatusCode::kInvalidArgument);
  TestProcess taken;
  EXPECT_EQ(start(taken.channel().inbox()).code(), absl::StatusCode::kUnavailable);
  Channel::Options options;
  options.bind = "tcp://127.0.0.1:*";
  EXPECT_THAT(std::string(Channel::Start(options, {}).status().message()), HasSubstr("self.stage"));
}

TEST_F(ChannelTest, EndsAmidTrafficAndLeavesNoDescriptorBehind) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  std::ptrdiff_t baseline = 0;
  for (int i = 0; i < 20; ++i) {
    {
      TestProcess a(At(Ipc("a")));
      TestProcess b(At(Ipc("b"), {Ipc("a")}));
      ASSERT_TRUE(b.WaitUp(a.incarnation()));
      std::atomic<bool> end{false};
      std::thread sender([&, to = a.incarnation()] {
        while (!end) b.channel().Send(to, NumberedFrame(0)).IgnoreError();
      });
      ASSERT_TRUE(a.Wait([](const Heard& heard) { return heard.messages.size() > 10; }));
      a.Stop();
      end = true;
      sender.join();
    }
    if (i == 2) baseline = descriptors();
  }
  EXPECT_LE(descriptors(), baseline);
}

TEST_F(ChannelTest, CountersAreMetrics) {
  TestProcess a(At(Ipc("a"))), b(At(Ipc("b"), {Ipc("a")}));
  ASSERT_TRUE(a.WaitUp(b.incarnation()));
  ASSERT_TRUE(b.WaitUp(a.incarnation()));
  ASSERT_TRUE(b.channel().Send(a.incarnation(), SampleCancel()).ok());
  ASSERT_TRUE(a.Wait([](const Heard& heard) { return !heard.messages.empty(); }));
  service::Metrics metrics("shoal-test");
  PublishChannelMetrics(a.channel(), &metrics);
  const std::string text = metrics.Serialize();
  EXPECT_THAT(text, HasSubstr("\nshoal_peers{stage=\"ar_engine\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nshoal_peers{stage=\"vocoder\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\nshoal_messages_dropped_total{reason=\"malformed\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("shoal_message_bytes_total{direction=\"received\"} "));
}

}  // namespace
}  // namespace shoal::transport
