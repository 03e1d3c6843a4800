#include "common/transport/peer_table.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/transport/peer_world.h"

namespace shoal::transport {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace v1 = pipeline::v1;

constexpr char kA[] = "tcp://127.0.0.1:1001";
constexpr char kB[] = "tcp://127.0.0.1:1002";
constexpr char kC[] = "tcp://127.0.0.1:1003";

// A (incarnation 1) dials B (incarnation 2).
class PeerTableTest : public ::testing::Test {
 protected:
  void Meet() {
    a_ = &world_.Start(1, kA, v1::FRONT);
    b_ = &world_.Start(2, kB, v1::VOCODER);
    a_->table().Dial(world_.now(), kB);
    world_.Run(absl::Milliseconds(500));
    ASSERT_TRUE(a_->IsUp(2));
    ASSERT_TRUE(b_->IsUp(1));
  }

  World world_;
  Node* a_ = nullptr;
  Node* b_ = nullptr;
};

TEST_F(PeerTableTest, OneDialsAndBothAreUp) {
  Meet();
  EXPECT_TRUE(a_->SendTo(2));
  EXPECT_TRUE(b_->SendTo(1));
  world_.Run(absl::Seconds(30));
  EXPECT_EQ(a_->delivered, 1);
  EXPECT_EQ(b_->delivered, 1);
  EXPECT_EQ(a_->UpCount(2), 1);
  EXPECT_EQ(b_->UpCount(1), 1);
  EXPECT_THAT(a_->dropped, IsEmpty());
  EXPECT_THAT(b_->dropped, IsEmpty());
  EXPECT_GT(a_->beats, 100);
  EXPECT_THAT(a_->table().Unanswered(), IsEmpty());
}

TEST_F(PeerTableTest, TheDialledOneMayStartLater) {
  a_ = &world_.Start(1, kA);
  a_->table().Dial(world_.now(), kB);
  world_.Run(absl::Seconds(20));
  EXPECT_THAT(a_->table().Unanswered(), ElementsAre(HasSubstr("no answer")));
  b_ = &world_.Start(2, kB);
  world_.Run(absl::Milliseconds(500));
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_TRUE(b_->IsUp(1));
}

TEST_F(PeerTableTest, BothDialBoth) {
  a_ = &world_.Start(1, kA);
  b_ = &world_.Start(2, kB);
  a_->table().Dial(world_.now(), kB);
  b_->table().Dial(world_.now(), kA);
  world_.Run(absl::Seconds(30));
  EXPECT_EQ(a_->UpCount(2), 1);
  EXPECT_EQ(b_->UpCount(1), 1);
  EXPECT_THAT(a_->downs(), IsEmpty());
}

TEST_F(PeerTableTest, DialledUnderAnotherNameThanAdvertisedIsStillOnePeer) {
  a_ = &world_.Start(1, kA);
  b_ = &world_.Start(2, kB);
  world_.Alias("tcp://vocoder.example:9", kB);
  a_->table().Dial(world_.now(), "tcp://vocoder.example:9");
  b_->table().Dial(world_.now(), kA);
  world_.Run(absl::Seconds(30));
  EXPECT_EQ(a_->UpCount(2), 1);
  EXPECT_EQ(b_->UpCount(1), 1);
  EXPECT_THAT(a_->table().Unanswered(), IsEmpty());
}

TEST_F(PeerTableTest, ARestartedPeerIsDownAndTheNewOneUp) {
  Meet();
  world_.Kill(2);
  EXPECT_FALSE(a_->IsUp(2));
  EXPECT_THAT(a_->downs(), ElementsAre("its connection closed"));
  Node& again = world_.Start(3, kB);
  world_.Run(absl::Seconds(1));
  EXPECT_TRUE(a_->IsUp(3));
  EXPECT_TRUE(again.IsUp(1));
}

TEST_F(PeerTableTest, AReplacementIsNoticedEvenIfTheConnectionSeemsToLast) {
  Meet();
  world_.nodes().erase(2);  // nobody sees a connection close
  world_.Start(3, kB);
  world_.Run(absl::Seconds(3));
  EXPECT_THAT(a_->downs(), ElementsAre(HasSubstr("silent")));
  EXPECT_TRUE(a_->IsUp(3));
}

TEST_F(PeerTableTest, SilenceIsDownOnBothSidesThoughNobodyDied) {
  Meet();
  b_->stopped = true;
  world_.Run(absl::Milliseconds(800));
  EXPECT_TRUE(a_->IsUp(2));
  world_.Run(absl::Milliseconds(500));
  EXPECT_FALSE(a_->IsUp(2));
  EXPECT_FALSE(a_->SendTo(2));
  EXPECT_THAT(a_->downs(), ElementsAre("silent for 1s"));
  b_->stopped = false;
  world_.Run(absl::Seconds(2));
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_TRUE(b_->IsUp(1));
  EXPECT_EQ(b_->UpCount(1), 2) << "B must learn that A has dropped everything";
}

TEST_F(PeerTableTest, WhatWasSentBeforeAnInterruptionIsDropped) {
  Meet();
  b_->heartbeat.set_busy(true);
  b_->heartbeat.set_step(1);
  world_.Run(absl::Milliseconds(1100));
  ASSERT_TRUE(a_->IsUp(2));
  b_->stopped = true;  // it does not learn yet that A gives it up for its stall
  while (a_->IsUp(2)) world_.Run(absl::Milliseconds(20));
  EXPECT_TRUE(b_->SendTo(1));
  world_.Run(absl::Milliseconds(20));
  EXPECT_EQ(a_->dropped[DropReason::kStale], 1);
  EXPECT_FALSE(a_->IsUp(2));
  b_->stopped = false;
  b_->heartbeat.set_step(2);
  world_.Run(absl::Seconds(1));
  EXPECT_EQ(a_->UpCount(2), 2);
  EXPECT_EQ(b_->UpCount(1), 2);
  EXPECT_EQ(a_->delivered, 0);
}

TEST_F(PeerTableTest, AStalledStepIsDownUntilItMoves) {
  Meet();
  b_->heartbeat.set_busy(true);
  b_->heartbeat.set_step(7);
  world_.Run(absl::Seconds(2));
  EXPECT_FALSE(a_->IsUp(2));
  EXPECT_THAT(a_->downs(), ElementsAre(HasSubstr("stalled: step 7")));
  EXPECT_EQ(b_->UpCount(1), 2) << "B must learn that A has dropped everything";
  EXPECT_THAT(a_->table().Unanswered(), ElementsAre(HasSubstr("stalled")));
  world_.Run(absl::Seconds(20));
  EXPECT_FALSE(a_->IsUp(2)) << "its heartbeats alone are no progress";
  b_->heartbeat.set_step(8);
  world_.Run(absl::Milliseconds(300));
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_EQ(b_->UpCount(1), 2);
  EXPECT_TRUE(a_->SendTo(2));
  EXPECT_TRUE(b_->SendTo(1));
  world_.Run(absl::Milliseconds(100));
  EXPECT_EQ(a_->delivered, 1);
  EXPECT_EQ(b_->delivered, 1);
}

TEST_F(PeerTableTest, AnIdleStepIsNoStall) {
  Meet();
  b_->heartbeat.set_step(7);
  world_.Run(absl::Seconds(10));
  EXPECT_EQ(a_->UpCount(2), 1);
}

TEST_F(PeerTableTest, ADeclaredBoundIsWaitedForButNotForEver) {
  Meet();
  b_->heartbeat.set_busy(true);
  b_->heartbeat.set_step_bound_seconds(5);
  world_.Run(absl::Seconds(4));
  EXPECT_TRUE(a_->IsUp(2));
  world_.Run(absl::Seconds(2));
  EXPECT_FALSE(a_->IsUp(2));
  b_->heartbeat.set_step(1);
  b_->heartbeat.set_step_bound_seconds(1e300);
  world_.Run(absl::Seconds(50));
  EXPECT_TRUE(a_->IsUp(2));
  world_.Run(absl::Seconds(15));
  EXPECT_FALSE(a_->IsUp(2)) << "the bound is capped at max_step_bound";
}

TEST_F(PeerTableTest, ALostConnectionIsDownAtOnceAndUpAgain) {
  Meet();
  world_.Cut(*a_, *b_);
  EXPECT_THAT(a_->downs(), ElementsAre("its connection closed"));
  world_.Run(absl::Seconds(1));
  EXPECT_EQ(a_->UpCount(2), 2);
  EXPECT_EQ(b_->UpCount(1), 2);
}

TEST_F(PeerTableTest, OwnStandstillIsNotTakenForTheirSilence) {
  Meet();
  world_.Freeze(absl::Seconds(10));
  world_.Run(absl::Seconds(2));
  EXPECT_EQ(a_->UpCount(2), 1);
  EXPECT_THAT(a_->downs(), IsEmpty());
}

TEST_F(PeerTableTest, AHelloUnderAnotherOnesAddressHarmsNobody) {
  Meet();
  v1::Envelope lie;
  lie.set_version(1);
  lie.set_incarnation(99);
  lie.mutable_hello()->set_stage(v1::VOCODER);
  lie.mutable_hello()->set_inbox(kB);
  for (int i = 0; i < 10; ++i) {
    a_->table().Receive(world_.now(), lie);
    world_.Run(absl::Milliseconds(200));
  }
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_EQ(a_->UpCount(2), 1);
  EXPECT_EQ(a_->UpCount(99), 0);
}

TEST_F(PeerTableTest, AHelloAckThatNobodyAskedForIsDropped) {
  Meet();
  v1::Envelope lie;
  lie.set_version(1);
  lie.set_incarnation(99);
  lie.set_to_incarnation(1);
  lie.set_peering(1);
  lie.mutable_hello_ack()->mutable_self()->set_inbox(kC);
  lie.mutable_hello_ack()->set_to_incarnation(1);
  for (uint64_t link = 0; link < 100; ++link) {
    lie.mutable_hello_ack()->set_link(link);
    EXPECT_EQ(a_->table().Receive(world_.now(), lie).verdict, PeerTable::Verdict::kDropped);
  }
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_FALSE(a_->IsUp(99));
}

TEST_F(PeerTableTest, StrangersAndMisdirectedMessagesAreDropped) {
  Meet();
  v1::Envelope message;
  message.set_incarnation(99);
  message.set_to_incarnation(1);
  message.set_peering(1);
  message.mutable_cancel();
  EXPECT_EQ(a_->table().Receive(world_.now(), message).reason, DropReason::kUnknown);
  message.set_incarnation(2);
  message.set_to_incarnation(77);
  EXPECT_EQ(a_->table().Receive(world_.now(), message).reason, DropReason::kStale);
  message.set_incarnation(1);
  EXPECT_EQ(a_->table().Receive(world_.now(), message).reason, DropReason::kIdentity);
  world_.Kill(2);
  message.set_incarnation(2);
  message.set_to_incarnation(1);
  EXPECT_EQ(a_->table().Receive(world_.now(), message).reason, DropReason::kStale);
}

TEST_F(PeerTableTest, WhoDoesNotFitIsRefusedOnBothSidesWithTheReason) {
  PeerTable::Options mine, theirs;
  mine.self.mutable_fingerprint()->set_codec("one");
  theirs.self.mutable_fingerprint()->set_codec("two");
  a_ = &world_.Start(1, kA, v1::FRONT, mine);
  b_ = &world_.Start(2, kB, v1::VOCODER, theirs);
  a_->table().Dial(world_.now(), kB);
  world_.Run(absl::Seconds(3));
  EXPECT_FALSE(a_->IsUp(2));
  EXPECT_FALSE(b_->IsUp(1));
  EXPECT_THAT(a_->table().Unanswered(), ElementsAre(HasSubstr("another codec")));
  EXPECT_THAT(a_->log(), ElementsAre(HasSubstr("another codec"))) << "once, not every second";
  EXPECT_LE(b_->dropped[DropReason::kRefused], 6) << "a refused Hello is repeated slowly";
  // The right one takes its place.
  world_.Kill(2);
  theirs.self.mutable_fingerprint()->set_codec("one");
  world_.Start(3, kB, v1::VOCODER, theirs);
  world_.Run(absl::Seconds(3));
  EXPECT_TRUE(a_->IsUp(3));
}

TEST_F(PeerTableTest, DialByIncarnationComesUp) {
  a_ = &world_.Start(1, kA);
  b_ = &world_.Start(2, kB);
  a_->table().Dial(world_.now(), kB, 2);
  world_.Run(absl::Milliseconds(500));
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_TRUE(b_->IsUp(1));
  world_.Run(absl::Seconds(20));
  EXPECT_THAT(a_->downs(), IsEmpty());
}

TEST_F(PeerTableTest, DialByIncarnationFailsWhenNobodyIsThere) {
  a_ = &world_.Start(1, kA);
  a_->table().Dial(world_.now(), kB, 2);
  world_.Run(absl::Seconds(4));
  EXPECT_THAT(a_->downs(), IsEmpty());
  world_.Run(absl::Seconds(2));
  EXPECT_THAT(a_->downs(), ElementsAre(HasSubstr("nobody has answered")));
  b_ = &world_.Start(2, kB);
  world_.Run(absl::Seconds(10));
  EXPECT_FALSE(a_->IsUp(2)) << "the link has gone with its purpose";
}

TEST_F(PeerTableTest, DialByIncarnationFailsWhenAnotherAnswers) {
  Meet();
  a_->table().Dial(world_.now(), kB, 7);
  world_.Run(absl::Milliseconds(500));
  EXPECT_THAT(a_->downs(), ElementsAre(HasSubstr("another process answers")));
  EXPECT_TRUE(a_->IsUp(2));
  EXPECT_EQ(a_->UpCount(2), 1);
}

TEST_F(PeerTableTest, ALinkMadeForOnePeerGoesWithIt) {
  a_ = &world_.Start(1, kA);
  b_ = &world_.Start(2, kB);
  a_->table().Dial(world_.now(), kB, 2);
  world_.Run(absl::Milliseconds(500));
  world_.Kill(2);
  Node& other = world_.Start(3, kB);
  world_.Run(absl::Seconds(10));
  EXPECT_FALSE(a_->IsUp(3));
  EXPECT_FALSE(other.IsUp(1));
}

TEST_F(PeerTableTest, HellosOfManyStrangersAreBounded) {
  PeerTable::Options options;
  options.max_links = 8;
  a_ = &world_.Start(1, kA, v1::ENGINE, options);
  v1::Envelope hello;
  hello.set_version(1);
  hello.mutable_hello()->set_stage(v1::FRONT);
  int refused = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    hello.set_incarnation(1000 + i);
    hello.mutable_hello()->set_inbox("tcp://10.0.0.1:" + std::to_string(2000 + i));
    refused += a_->table().Receive(world_.now(), hello).reason == DropReason::kRefused;
  }
  EXPECT_EQ(refused, 92);
  for (uint64_t i = 0; i < 100; ++i) {  // all under one address
    hello.set_incarnation(5000 + i);
    hello.mutable_hello()->set_inbox("tcp://10.0.0.1:2000");
    EXPECT_EQ(a_->table().Receive(world_.now(), hello).reason, DropReason::kRefused);
  }
  world_.Run(absl::Seconds(6));  // those who never answered are forgotten
  hello.set_incarnation(9000);
  EXPECT_EQ(a_->table().Receive(world_.now(), hello).verdict, PeerTable::Verdict::kHandled);
}

TEST_F(PeerTableTest, AHelloWithAnAddressThatCannotBeDialledIsDropped) {
  a_ = &world_.Start(1, kA);
  v1::Envelope hello;
  hello.set_incarnation(2);
  hello.mutable_hello()->set_stage(v1::FRONT);
  for (const char* inbox : {"", "tcp://*:80", "tcp://a;b:80", "inproc://x", "ipc://@abstract",
                            "tcp://10.0.0.1:0", "pgm://eth0;239.0.0.1:5555"}) {
    hello.mutable_hello()->set_inbox(inbox);
    EXPECT_EQ(a_->table().Receive(world_.now(), hello).reason, DropReason::kMalformed) << inbox;
  }
}

// Whatever happens: no session hears from two sessions of the other side, and once the trouble is
// over everybody meets again.
TEST(PeerTableRandomTest, SessionsAgreeThroughAnyTrouble) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    World world;
    const std::vector<std::string> inboxes = {kA, kB, kC};
    uint64_t next_incarnation = 1;
    const auto start = [&](const std::string& inbox) {
      Node& node = world.Start(next_incarnation++, inbox);
      for (const std::string& other : inboxes) {
        if (other != inbox) node.table().Dial(world.now(), other);
      }
    };
    for (const std::string& inbox : inboxes) start(inbox);
    for (int event = 0; event < 150; ++event) {
      world.Run(absl::Milliseconds(20 * (random() % 40)));
      const std::string& inbox = inboxes[random() % inboxes.size()];
      Node* node = world.Find(inbox);
      Node* other = world.Find(inboxes[random() % inboxes.size()]);
      switch (random() % 8) {
        case 0:
          if (node != nullptr) world.Kill(node->incarnation());
          break;
        case 1:
        case 2:
          if (node == nullptr) start(inbox);
          break;
        case 3:
          if (node != nullptr) node->stopped = !node->stopped;
          break;
        case 4:
          if (node != nullptr) node->heartbeat.set_busy(!node->heartbeat.busy());
          break;
        case 5:
          if (node != nullptr) node->heartbeat.set_step(node->heartbeat.step() + 1);
          break;
        case 6:
          if (node != nullptr && other != nullptr && node != other) world.Cut(*node, *other);
          break;
        default:
          for (auto& [incarnation, sender] : world.nodes()) {
            for (auto& [peer, receiver] : world.nodes()) {
              if (!sender->stopped) sender->SendTo(peer);
            }
          }
      }
      ASSERT_TRUE(world.sessions_match) << "seed " << seed << ", event " << event;
    }
    for (const std::string& inbox : inboxes) {
      if (world.Find(inbox) == nullptr) start(inbox);
      world.Find(inbox)->stopped = false;
      world.Find(inbox)->heartbeat.set_busy(false);
    }
    world.Run(absl::Seconds(10));
    std::map<uint64_t, int> before;
    for (auto& [incarnation, node] : world.nodes()) before[incarnation] = node->delivered;
    for (auto& [incarnation, node] : world.nodes()) {
      for (auto& [peer, other] : world.nodes()) {
        if (peer != incarnation) {
          ASSERT_TRUE(node->SendTo(peer)) << "seed " << seed;
        }
      }
    }
    world.Run(absl::Milliseconds(100));
    for (auto& [incarnation, node] : world.nodes()) {
      EXPECT_EQ(node->delivered, before[incarnation] + 2) << "seed " << seed;
    }
    EXPECT_TRUE(world.sessions_match) << "seed " << seed;
  }
}

}  // namespace
}  // namespace shoal::transport
