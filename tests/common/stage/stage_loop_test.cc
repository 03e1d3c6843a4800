#include "common/stage/stage_loop.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "spdlog/spdlog.h"
#include "tests/common/stage/fake_stage.h"
#include "tests/common/transport/test_process.h"

namespace shoal::stage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using transport::ChannelCounters;
using transport::TestProcess;

namespace v1 = pipeline::v1;

class StageLoopTest : public ::testing::Test {
 protected:
  // Before any other thread, as main does it: the logger comes to be at its first use.
  StageLoopTest() { spdlog::set_level(spdlog::level::critical); }
  ~StageLoopTest() override { stage_.Release(); }  // or a failed test would never end

  void Start(StageLoop::Options options = {}) {
    const absl::Duration heartbeat_interval = options.channel.heartbeat_interval;
    options.channel = transport::PatientOptions();
    options.channel.heartbeat_interval = heartbeat_interval;
    options.channel.bind = "tcp://127.0.0.1:*";
    options.channel.self.set_stage(v1::VOCODER);
    loop_ = std::make_unique<StageLoop>(std::move(options), &stage_);
    const absl::Status started = loop_->Start();
    ASSERT_TRUE(started.ok()) << started;
    front_ = NewFront();
  }

  std::unique_ptr<TestProcess> NewFront() const {
    transport::Channel::Options options = transport::PatientOptions();
    options.self.set_stage(v1::FRONT);
    options.dial = {loop_->channel().inbox()};
    auto front = std::make_unique<TestProcess>(std::move(options));
    EXPECT_TRUE(front->WaitUp(loop_->channel().incarnation()));
    return front;
  }

  void Send(TestProcess& front, transport::Message message) const {
    const absl::Status sent =
        front.channel().Send(loop_->channel().incarnation(), std::move(message));
    ASSERT_TRUE(sent.ok()) << sent;
  }
  void Submit(uint64_t stream, v1::Priority priority = v1::PLAYBACK) {
    transport::Message message;
    v1::Submit& submit = *message.envelope.mutable_submit();
    submit.mutable_stream()->set_low(stream);
    submit.set_priority(priority);
    submit.mutable_decode();
    Send(*front_, std::move(message));
  }
  void Cancel(uint64_t stream) {
    transport::Message message;
    message.envelope.mutable_cancel()->mutable_stream()->set_low(stream);
    Send(*front_, std::move(message));
  }
  void Credit(TestProcess& front, uint64_t stream) const {
    transport::Message message;
    message.envelope.mutable_audio_credit()->mutable_stream()->set_low(stream);
    Send(front, std::move(message));
  }
  void Credit(uint64_t stream) { Credit(*front_, stream); }

  // Waits until all that `front` has sent so far has left the I/O thread's hands: behind it comes
  // what the channel drops and counts.
  void AwaitArrival(TestProcess& front) {
    transport::Message nobodys;
    nobodys.envelope.mutable_cancel();
    Send(front, std::move(nobodys));
    ++dropped_;
    EXPECT_TRUE(front.WaitCounters([this](const ChannelCounters&) {
      return loop_->channel().counters().dropped_for(transport::DropReason::kMalformed) == dropped_;
    }));
  }

  // The model thread is in a step, and stays there until stage_.Release().
  void HoldInAStep() {
    stage_.Hold();
    Credit(1);
    ASSERT_TRUE(stage_.Await("step"));
  }

  FakeStage stage_;
  uint64_t dropped_ = 0;
  std::unique_ptr<StageLoop> loop_;
  std::unique_ptr<TestProcess> front_;
};

TEST_F(StageLoopTest, ConnectsFirstAndStepsOnceSomethingHasCome) {
  Start();
  Submit(1);
  ASSERT_TRUE(stage_.Await("step"));
  EXPECT_THAT(stage_.log(), ElementsAre("connect", "submit 1", "step"));
}

TEST_F(StageLoopTest, WaitsForTheNextStepAsLongAsTheLastOneSaid) {
  stage_.on_step = [steps = 0]() mutable {
    ++steps;
    return steps == 1   ? absl::ZeroDuration()
           : steps == 2 ? absl::Milliseconds(1)
                        : absl::InfiniteDuration();
  };
  Start();
  Submit(1);
  ASSERT_TRUE(stage_.Await("step", 3));
  Cancel(1);
  ASSERT_TRUE(stage_.Await("step", 4));
  EXPECT_THAT(stage_.log(),
              ElementsAre("connect", "submit 1", "step", "step", "step", "cancel 1", "step"));
}

TEST_F(StageLoopTest, WhatComesDuringAStepIsHandledInOrderBeforeTheNext) {
  Start();
  HoldInAStep();
  Submit(2);
  Credit(3);
  Cancel(2);
  AwaitArrival(*front_);
  EXPECT_THAT(stage_.log(), ElementsAre("connect", "credit 1", "step"));
  stage_.Release();
  ASSERT_TRUE(stage_.Await("step", 2));
  EXPECT_THAT(stage_.log(), ElementsAre("connect", "credit 1", "step", "submit 2", "credit 3",
                                        "cancel 2", "step"));
}

TEST_F(StageLoopTest, AStepCanReceiveBeforeItIsDone) {
  stage_.on_step = [this] {
    while (!stage_.Has("cancel 1")) loop_->Receive();
    stage_.Note("step is done");
    return absl::InfiniteDuration();
  };
  Start();
  Submit(1);
  ASSERT_TRUE(stage_.Await("step"));
  Cancel(1);
  ASSERT_TRUE(stage_.Await("step is done"));
  EXPECT_THAT(stage_.log(), ElementsAre("connect", "submit 1", "step", "cancel 1", "step is done"));
}

TEST_F(StageLoopTest, HeartbeatsTellTheLoad) {
  StageLoop::Options options;
  options.channel.heartbeat_interval = absl::Milliseconds(5);
  options.step_bound = absl::Seconds(7);
  Start(options);
  const auto await = [&](const std::function<bool(const v1::Heartbeat&)>& is_so) {
    return front_->WaitCounters([&](const ChannelCounters&) {
      const auto peers = front_->channel().peers();
      return peers.size() == 1 && is_so(peers[0].heartbeat);
    });
  };
  EXPECT_TRUE(await([](const v1::Heartbeat& heartbeat) {
    return heartbeat.step_bound_seconds() == 7 && heartbeat.step() == 0 && !heartbeat.busy();
  }));
  Submit(1);
  EXPECT_TRUE(await([](const v1::Heartbeat& heartbeat) {
    return heartbeat.step() == 1 && heartbeat.running() == 1 && heartbeat.waiting() == 2 &&
           heartbeat.busy() && !heartbeat.draining();
  }));
  Cancel(1);
  loop_->Drain();
  EXPECT_TRUE(await([](const v1::Heartbeat& heartbeat) {
    return heartbeat.step() >= 2 && heartbeat.running() == 0 && !heartbeat.busy() &&
           heartbeat.draining();
  }));
}

TEST_F(StageLoopTest, ASubmitThatCannotBeReadIsRefused) {
  Start();
  Submit(1, v1::PRIORITY_UNSPECIFIED);
  Submit(2);
  ASSERT_TRUE(stage_.Await("submit 2"));
  EXPECT_THAT(stage_.told(), ElementsAre("connect", "refuse 1 INVALID_ARGUMENT", "submit 2"));
}

TEST_F(StageLoopTest, SubmitsBeyondTheirBoundAreRefusedInTheirPlace) {
  StageLoop::Options options;
  options.inbox.max_submits = 2;
  Start(options);
  HoldInAStep();
  for (uint64_t stream = 2; stream <= 4; ++stream) Submit(stream);
  Credit(5);
  AwaitArrival(*front_);
  stage_.Release();
  ASSERT_TRUE(stage_.Await("credit 5"));
  Submit(6);
  ASSERT_TRUE(stage_.Await("submit 6"));
  EXPECT_THAT(stage_.told(), ElementsAre("connect", "credit 1", "submit 2", "submit 3",
                                         "refuse 4 RESOURCE_EXHAUSTED", "credit 5", "submit 6"));
}

TEST_F(StageLoopTest, AFullInboxLosesWhatComesAndGoesOn) {
  StageLoop::Options options;
  options.inbox.capacity = 2;
  Start(options);
  HoldInAStep();
  for (uint64_t stream = 2; stream <= 5; ++stream) Credit(stream);
  AwaitArrival(*front_);
  stage_.Release();
  ASSERT_TRUE(stage_.Await("credit 3"));
  Credit(6);
  ASSERT_TRUE(stage_.Await("credit 6"));
  EXPECT_THAT(stage_.told(),
              ElementsAre("connect", "credit 1", "credit 2", "credit 3", "credit 6"));
}

TEST_F(StageLoopTest, APeerIsDownAfterItsLastMessage) {
  Start();
  HoldInAStep();
  const std::unique_ptr<TestProcess> other = NewFront();
  Credit(*other, 2);
  Credit(*other, 3);
  AwaitArrival(*other);
  const std::string down = absl::StrCat("down ", other->incarnation());
  other->Stop();
  stage_.Release();
  ASSERT_TRUE(stage_.Await(down));
  EXPECT_THAT(stage_.told(), ElementsAre("connect", "credit 1", "credit 2", "credit 3", down));
}

TEST_F(StageLoopTest, AnIdleStageDrainsAtOnce) {
  Start();
  EXPECT_FALSE(loop_->draining());
  loop_->Drain();
  EXPECT_TRUE(loop_->draining());
  EXPECT_TRUE(loop_->AwaitIdle(absl::Minutes(1)));
}

TEST_F(StageLoopTest, DrainingWaitsForWhatIsOpen) {
  Start();
  Submit(1);
  ASSERT_TRUE(stage_.Await("step"));
  loop_->Drain();
  Credit(2);
  ASSERT_TRUE(stage_.Await("credit 2"));
  EXPECT_FALSE(loop_->AwaitIdle(absl::ZeroDuration()));
  Cancel(1);
  EXPECT_TRUE(loop_->AwaitIdle(absl::Minutes(1)));
}

TEST_F(StageLoopTest, WhatCameBeforeTheDrainIsHandledBeforeItCountsAsIdle) {
  Start();
  HoldInAStep();
  Submit(2);
  AwaitArrival(*front_);
  loop_->Drain();
  EXPECT_FALSE(loop_->AwaitIdle(absl::ZeroDuration())) << "idle, but there is a message";
  stage_.Release();
  ASSERT_TRUE(stage_.Await("step", 2));
  EXPECT_FALSE(loop_->AwaitIdle(absl::ZeroDuration()));
  Cancel(2);
  EXPECT_TRUE(loop_->AwaitIdle(absl::Minutes(1)));
  EXPECT_THAT(stage_.told(), ElementsAre("connect", "credit 1", "submit 2", "cancel 2"));
}

TEST_F(StageLoopTest, EndsWhileItWaitsForAMessage) {
  Start();
  Submit(1);
  ASSERT_TRUE(stage_.Await("step"));
  const uint64_t incarnation = loop_->channel().incarnation();
  loop_.reset();
  EXPECT_EQ(stage_.log().back(), "fail all");
  EXPECT_TRUE(front_->WaitDown(incarnation));
}

TEST_F(StageLoopTest, EndsWithMessagesThatNobodyHasHandled) {
  Start();
  HoldInAStep();
  Submit(2);
  Submit(3);
  AwaitArrival(*front_);
  std::thread ending([this] { loop_.reset(); });
  stage_.Release();
  ending.join();
  const FakeStage::Log log = stage_.log();
  EXPECT_EQ(log.back(), "fail all");
  EXPECT_EQ(std::count(log.begin(), log.end(), "fail all"), 1);
}

TEST(StageLoopStartTest, SaysWhyItCannotStart) {
  FakeStage stage;
  {
    StageLoop::Options options;
    options.channel.bind = "nowhere";
    options.channel.self.set_stage(v1::VOCODER);
    StageLoop loop(std::move(options), &stage);
    EXPECT_FALSE(loop.Start().ok());
  }
  EXPECT_THAT(stage.log(), IsEmpty());
}

}  // namespace
}  // namespace shoal::stage
