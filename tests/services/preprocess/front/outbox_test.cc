#include "services/preprocess/front/outbox.h"

#include <gtest/gtest.h>

#include <future>

#include "services/preprocess/front/playback_clock.h"

namespace shoal::preprocess {
namespace {

// A client that takes one message at a time, when the test says so.
class SlowLink final : public ClientLink {
 public:
  void ReadNext() override {}
  void Write(tts::v1::StreamingSynthesizeResponse response) override {
    EXPECT_FALSE(writing_);
    writing_ = true;
    written_.push_back(std::move(response));
  }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Finish(const absl::Status&) override {}
  int64_t Take(Outbox& outbox) {
    EXPECT_TRUE(writing_);
    writing_ = false;
    return outbox.OnWritten();
  }
  bool writing() const { return writing_; }
  const std::vector<tts::v1::StreamingSynthesizeResponse>& written() const { return written_; }

 private:
  bool writing_ = false;
  std::vector<tts::v1::StreamingSynthesizeResponse> written_;
};

tts::v1::StreamingSynthesizeResponse Audio(size_t bytes, uint64_t sequence) {
  tts::v1::StreamingSynthesizeResponse response;
  response.mutable_audio()->set_data(std::string(bytes, 'x'));
  response.mutable_audio()->set_sequence(sequence);
  return response;
}

class OutboxTest : public ::testing::Test {
 protected:
  // The loop outlives the outbox, which is used on it alone.
  void Start(const SessionLimits& limits) {
    outbox_ = std::make_unique<Outbox>(&loop_, limits, &link_, &waiting_,
                                       [this] { too_slow_.set_value(); });
  }
  ~OutboxTest() override {
    loop_.Run([this] { outbox_.reset(); });
  }

  FrontLoop loop_;
  SlowLink link_;
  prometheus::Gauge waiting_;
  std::promise<void> too_slow_;
  std::unique_ptr<Outbox> outbox_;
};

TEST_F(OutboxTest, WritesOneAtATimeInOrder) {
  Start({});
  loop_.Run([this] {
    EXPECT_TRUE(outbox_->empty());
    for (uint64_t i = 0; i < 3; ++i) outbox_->Push(Audio(10, i));
    EXPECT_EQ(link_.written().size(), 1u);
    EXPECT_FALSE(outbox_->empty());
    while (link_.writing()) link_.Take(*outbox_);
    ASSERT_EQ(link_.written().size(), 3u);
    for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(link_.written()[i].audio().sequence(), i);
    EXPECT_TRUE(outbox_->empty());
  });
}

TEST_F(OutboxTest, HasRoomUpToHalfOfTheLimit) {
  Start({.max_waiting_audio_bytes = 100});
  loop_.Run([this] {
    outbox_->Push(Audio(50, 0));  // the write under way counts
    EXPECT_TRUE(outbox_->has_room());
    outbox_->Push(Audio(1, 1));
    EXPECT_FALSE(outbox_->has_room());
    EXPECT_EQ(outbox_->waiting_bytes(), 51);
    EXPECT_EQ(link_.Take(*outbox_), 50);
    EXPECT_TRUE(outbox_->has_room());
    EXPECT_EQ(outbox_->waiting_bytes(), 1);
    EXPECT_EQ(waiting_.Value(), 1);
  });
}

TEST_F(OutboxTest, AClientThatTakesNothingAndHoldsTheCallUpIsTooSlow) {
  Start({.max_waiting_audio_bytes = 100, .client_stall = absl::Milliseconds(20)});
  loop_.Run([this] { outbox_->Push(Audio(51, 0)); });
  too_slow_.get_future().wait();
}

TEST_F(OutboxTest, BelowHalfOfTheLimitThereIsAllTheTimeInTheWorld) {
  Start({.max_waiting_audio_bytes = 100, .client_stall = absl::Milliseconds(1)});
  std::promise<void> later;
  FrontLoop::Timer timer;
  loop_.Run([&] {
    outbox_->Push(Audio(50, 0));
    timer = loop_.After(absl::Milliseconds(50), [&] { later.set_value(); });
  });
  later.get_future().wait();
  EXPECT_EQ(too_slow_.get_future().wait_for(std::chrono::seconds(0)), std::future_status::timeout);
}

TEST_F(OutboxTest, TwiceTheLimitIsTooMuchAtOnce) {
  Start({.max_waiting_audio_bytes = 100, .client_stall = absl::Hours(1)});
  loop_.Run([this] {
    for (uint64_t i = 0; i < 5; ++i) outbox_->Push(Audio(100, i));
  });
  too_slow_.get_future().wait();
}

TEST_F(OutboxTest, ClosedItWritesNothing) {
  Start({});
  loop_.Run([this] {
    outbox_->Push(Audio(1, 0));
    outbox_->Push(Audio(1, 1));
    outbox_->Close();
    outbox_->Push(Audio(1, 2));
    link_.Take(*outbox_);
    EXPECT_EQ(link_.written().size(), 1u);
  });
}

TEST(PlaybackClock, AudioBeforeItIsDueIsNoUnderrun) {
  PlaybackClock clock;
  EXPECT_EQ(clock.Add(10.0, 1.0), 0);
  EXPECT_EQ(clock.Add(10.5, 1.0), 0);
  EXPECT_EQ(clock.Add(12.0, 1.0), 0);  // just in time
  EXPECT_DOUBLE_EQ(clock.Add(13.25, 1.0), 0.25);
  EXPECT_DOUBLE_EQ(clock.Add(14.5, 1.0), 0.25);
  EXPECT_DOUBLE_EQ(clock.underrun(), 0.5);
}

TEST(PlaybackClock, APauseIsNobodysFault) {
  PlaybackClock clock;
  clock.Add(0, 1);
  clock.Pause();
  EXPECT_EQ(clock.Add(100, 1), 0);
  EXPECT_DOUBLE_EQ(clock.Add(102, 1), 1);
}

}  // namespace
}  // namespace shoal::preprocess
