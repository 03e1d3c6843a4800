#include "services/vocoder/frame_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace shoal::vocoder {
namespace {

using ::testing::ElementsAre;

const FrameQueue::Clock::time_point kNow{};

FrameCodes Codes(int32_t value) { return {value, value + 1}; }

FrameQueue::Arrival Frame(uint32_t turn, uint32_t number) {
  return {.turn = turn, .first = number, .frames = {Codes(static_cast<int32_t>(number))}};
}

FrameQueue::Arrival End(uint32_t turn, uint32_t frames) {
  return {.turn = turn, .first = frames, .frames = {}, .last = true};
}

TEST(FrameQueueTest, FramesLeaveInOrder) {
  FrameQueue queue(16);
  for (const uint32_t number : {0u, 1u, 2u}) ASSERT_EQ(*queue.Add(Frame(0, number), kNow), 0);
  EXPECT_EQ(queue.ready(), 3);
  FrameQueue::Run run = queue.Take(2);
  EXPECT_EQ(run.first, 0u);
  EXPECT_FALSE(run.last);
  EXPECT_THAT(run.frames, ElementsAre(Codes(0), Codes(1)));
  run = queue.Take(1);
  EXPECT_EQ(run.first, 2u);
  EXPECT_THAT(run.frames, ElementsAre(Codes(2)));
}

TEST(FrameQueueTest, TheEndLeavesWithTheLastFrameWhenItIsKnownByThen) {
  FrameQueue queue(16);
  ASSERT_TRUE(queue.Add(Frame(0, 0), kNow).ok());
  ASSERT_TRUE(queue.Add(End(0, 1), kNow).ok());
  EXPECT_FALSE(queue.at_end());
  EXPECT_TRUE(queue.Take(1).last);
  EXPECT_FALSE(queue.at_end());
}

TEST(FrameQueueTest, TheEndLeavesAloneWhenItComesLate) {
  FrameQueue queue(16);
  ASSERT_TRUE(queue.Add(Frame(0, 0), kNow).ok());
  EXPECT_FALSE(queue.Take(1).last);
  ASSERT_TRUE(queue.Add(End(0, 1), kNow).ok());
  ASSERT_TRUE(queue.at_end());
  const FrameQueue::Run run = queue.Take(0);
  EXPECT_TRUE(run.last);
  EXPECT_EQ(run.first, 1u);
  EXPECT_TRUE(run.frames.empty());
}

TEST(FrameQueueTest, ATurnMayHaveNoFrames) {
  FrameQueue queue(16);
  ASSERT_TRUE(queue.Add(End(0, 0), kNow).ok());
  ASSERT_TRUE(queue.at_end());
  EXPECT_TRUE(queue.Take(0).last);
  ASSERT_TRUE(queue.Add(Frame(1, 0), kNow).ok());
  EXPECT_EQ(queue.ready(), 1);
}

TEST(FrameQueueTest, AnyOrderOfArrivalGivesTheSameFrames) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const uint32_t length = random() % 12;
    std::vector<FrameQueue::Arrival> arrivals;
    for (uint32_t i = 0; i < length; ++i) {
      arrivals.push_back(Frame(0, i));
      if (random() % 3 == 0) arrivals.push_back(Frame(0, i));  // twice
    }
    arrivals.push_back(End(0, length));
    const size_t repeats = arrivals.size() - length - 1;
    std::shuffle(arrivals.begin(), arrivals.end(), random);

    FrameQueue queue(64);
    std::vector<FrameCodes> left;
    size_t dropped = 0;
    bool ended = false;
    for (const auto& arrival : arrivals) {
      const auto added = queue.Add(arrival, kNow);
      ASSERT_TRUE(added.ok()) << added.status();
      dropped += *added;
      while (queue.ready() > 0 || queue.at_end()) {
        const FrameQueue::Run run = queue.Take(queue.ready() > 0 ? 1 : 0);
        EXPECT_EQ(run.first, left.size());
        left.insert(left.end(), run.frames.begin(), run.frames.end());
        ended |= run.last;
      }
    }
    ASSERT_TRUE(ended);
    ASSERT_EQ(left.size(), length);
    for (uint32_t i = 0; i < length; ++i) EXPECT_EQ(left[i], Codes(static_cast<int32_t>(i)));
    EXPECT_EQ(dropped, repeats);
    EXPECT_FALSE(queue.gap_since().has_value());
  }
}

TEST(FrameQueueTest, AGapIsNotedUntilItIsFilled) {
  FrameQueue queue(16);
  const auto later = kNow + std::chrono::seconds(1);
  ASSERT_TRUE(queue.Add(Frame(0, 1), kNow).ok());
  EXPECT_EQ(queue.gap_since(), kNow);
  ASSERT_TRUE(queue.Add(Frame(0, 2), later).ok());
  EXPECT_EQ(queue.gap_since(), kNow);
  EXPECT_EQ(queue.missing_frame(), 0u);
  ASSERT_TRUE(queue.Add(Frame(0, 0), later).ok());
  EXPECT_FALSE(queue.gap_since().has_value());
  ASSERT_TRUE(queue.Add(End(0, 4), later).ok());
  EXPECT_EQ(queue.gap_since(), later) << "the frame before the end is missing";
}

TEST(FrameQueueTest, WhatBelongsToAnOldTurnIsDropped) {
  FrameQueue queue(16);
  ASSERT_TRUE(queue.Add(Frame(0, 0), kNow).ok());
  ASSERT_TRUE(queue.Add(End(0, 1), kNow).ok());
  queue.Take(1);
  EXPECT_EQ(*queue.Add(Frame(0, 0), kNow), 1);
  ASSERT_EQ(*queue.Add(Frame(1, 0), kNow), 0);
  EXPECT_EQ(*queue.Add(Frame(0, 0), kNow), 1);
  EXPECT_EQ(queue.turn(), 1u);
}

TEST(FrameQueueTest, ContradictionsAreDataLoss) {
  FrameQueue ends_twice(16);
  ASSERT_TRUE(ends_twice.Add(End(0, 4), kNow).ok());
  EXPECT_EQ(ends_twice.Add(End(0, 5), kNow).status().code(), absl::StatusCode::kDataLoss);

  FrameQueue beyond(16);
  ASSERT_TRUE(beyond.Add(End(0, 1), kNow).ok());
  EXPECT_EQ(beyond.Add(Frame(0, 1), kNow).status().code(), absl::StatusCode::kDataLoss);

  FrameQueue too_short(16);
  ASSERT_TRUE(too_short.Add(Frame(0, 0), kNow).ok());
  EXPECT_EQ(too_short.Add(End(0, 0), kNow).status().code(), absl::StatusCode::kDataLoss);

  FrameQueue early_turn(16);
  ASSERT_TRUE(early_turn.Add(Frame(0, 0), kNow).ok());
  EXPECT_EQ(early_turn.Add(Frame(1, 0), kNow).status().code(), absl::StatusCode::kDataLoss);
}

TEST(FrameQueueTest, HoldsNoMoreThanItsCapacity) {
  FrameQueue queue(2);
  ASSERT_TRUE(queue.Add(Frame(0, 0), kNow).ok());
  ASSERT_TRUE(queue.Add(Frame(0, 5), kNow).ok());
  EXPECT_EQ(queue.Add(Frame(0, 7), kNow).status().code(), absl::StatusCode::kInternal);
}

// Frames 0 to `ready` - 1, two of which have left.
FrameQueue Begun(uint32_t ready) {
  FrameQueue queue(16);
  for (uint32_t i = 0; i < ready; ++i) EXPECT_TRUE(queue.Add(Frame(0, i), kNow).ok());
  queue.Take(2);
  return queue;
}

TEST(FrameQueueTest, ANewAttemptKeepsWhatIsBeforeItsCut) {
  FrameQueue queue = Begun(5);
  ASSERT_TRUE(queue.Add(Frame(0, 9), kNow).ok());
  ASSERT_TRUE(queue.Resume(0, 3, kNow).ok());
  EXPECT_EQ(queue.ready(), 1);
  EXPECT_EQ(queue.taken(), 2u);
  ASSERT_EQ(*queue.Add(Frame(0, 3), kNow), 0) << "the old one is gone";
  EXPECT_EQ(queue.ready(), 2);
  EXPECT_FALSE(queue.gap_since().has_value());
}

TEST(FrameQueueTest, ANewAttemptAheadWaitsForWhatIsBetween) {
  FrameQueue queue = Begun(2);
  ASSERT_TRUE(queue.Add(Frame(0, 3), kNow).ok());
  ASSERT_TRUE(queue.Add(Frame(0, 6), kNow).ok());
  ASSERT_TRUE(queue.Resume(0, 5, kNow).ok());
  EXPECT_TRUE(queue.gap_since().has_value());
  ASSERT_TRUE(queue.Add(Frame(0, 2), kNow).ok());
  EXPECT_EQ(queue.ready(), 2) << "2 and 3; 6 is gone";
}

TEST(FrameQueueTest, ANewAttemptBehindGoesBack) {
  FrameQueue queue = Begun(5);
  ASSERT_TRUE(queue.Add(End(0, 5), kNow).ok());
  ASSERT_TRUE(queue.Resume(0, 1, kNow).ok());
  EXPECT_EQ(queue.ready(), 0);
  EXPECT_EQ(queue.taken(), 1u);
  EXPECT_FALSE(queue.complete()) << "the new attempt may end elsewhere";
  ASSERT_EQ(*queue.Add(Frame(0, 1), kNow), 0);
  ASSERT_TRUE(queue.Add(End(0, 2), kNow).ok());
  EXPECT_TRUE(queue.Take(1).last);
}

TEST(FrameQueueTest, AnEndedTurnCanBeTakenUpAgain) {
  FrameQueue queue = Begun(2);
  ASSERT_TRUE(queue.Add(End(0, 2), kNow).ok());
  queue.Take(0);
  EXPECT_EQ(queue.Resume(0, 3, kNow).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(queue.Resume(0, 2, kNow).ok());
  ASSERT_EQ(*queue.Add(Frame(0, 2), kNow), 0);
  EXPECT_EQ(queue.ready(), 1);
}

TEST(FrameQueueTest, ANewAttemptAtAnotherTurnBeginsIt) {
  FrameQueue queue = Begun(2);
  EXPECT_EQ(queue.Resume(1, 0, kNow).code(), absl::StatusCode::kDataLoss) << "turn 0 runs";
  ASSERT_TRUE(queue.Add(End(0, 2), kNow).ok());
  queue.Take(0);
  EXPECT_EQ(queue.Resume(1, 4, kNow).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(queue.Resume(1, 0, kNow).ok());
  EXPECT_EQ(queue.Resume(0, 0, kNow).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(queue.turn(), 1u);
}

TEST(FrameQueueTest, WhatWasTakenCanBePutBack) {
  FrameQueue queue = Begun(3);
  queue.Return({0, 1, 1, 2}, 2);
  EXPECT_EQ(queue.taken(), 0u);
  const FrameQueue::Run run = queue.Take(3);
  EXPECT_EQ(run.first, 0u);
  EXPECT_THAT(run.frames, ElementsAre(Codes(0), Codes(1), Codes(2)));
}

TEST(FrameQueueTest, AQueueMayBeginAnywhere) {
  FrameQueue queue(16, /*turn=*/3, /*first=*/7);
  EXPECT_EQ(*queue.Add(Frame(2, 9), kNow), 1);
  EXPECT_EQ(*queue.Add(Frame(3, 6), kNow), 1);
  ASSERT_EQ(*queue.Add(Frame(3, 7), kNow), 0);
  EXPECT_EQ(queue.Take(1).first, 7u);
}

}  // namespace
}  // namespace shoal::vocoder
