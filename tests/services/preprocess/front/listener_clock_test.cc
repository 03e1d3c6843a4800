#include "services/preprocess/front/listener_clock.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::preprocess {
namespace {

// Frames of 0.1 s and 100 bytes; ten of them may wait.
constexpr ListenerClock::Options kOptions = {
    .max_waiting_bytes = 1000, .bytes_per_second = 1000, .frame_seconds = 0.1};

TEST(ListenerClock, AsksForAsManyFramesAsMayWait) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  EXPECT_EQ(clock.Now(0, 0).frames, 10u);
  clock.OnFrames(4);  // they wait
  EXPECT_EQ(clock.Now(0, 400).frames, 10u);
  clock.OnFrames(6);
  EXPECT_EQ(clock.Now(0, 1000).frames, 10u);
}

TEST(ListenerClock, WhatTheClientTakesMakesRoom) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  clock.OnFrames(10);
  EXPECT_EQ(clock.Now(0, 1000).frames, 10u);
  clock.OnWritten(1, 250);
  EXPECT_EQ(clock.Now(1, 750).frames, 12u) << "a frame that half fits does not fit";
  clock.OnWritten(1, 750);
  EXPECT_EQ(clock.Now(1, 0).frames, 20u);
}

TEST(ListenerClock, NeverTakesBackWhatItAskedFor) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  EXPECT_EQ(clock.Now(0, 0).frames, 10u);
  // A resampler's or a header's bytes more than was thought.
  clock.OnFrames(8);
  EXPECT_EQ(clock.Now(0, 990).frames, 10u);
}

TEST(ListenerClock, AudioOfEarlierTurnsTakesRoomFromTheNext) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  clock.OnFrames(8);
  EXPECT_EQ(clock.Now(0, 400).frames, 14u);
  clock.BeginTurn();
  EXPECT_EQ(clock.Now(0, 400).frames, 6u);
  EXPECT_EQ(clock.Now(0, 400).next_frame, 0u);
}

TEST(ListenerClock, ABoundBelowAFrameLetsOneThroughAtATime) {
  ListenerClock clock({.max_waiting_bytes = 10, .bytes_per_second = 1000, .frame_seconds = 0.1});
  clock.BeginTurn();
  for (uint32_t frame = 1; frame < 5; ++frame) {
    EXPECT_EQ(clock.Now(frame, 0).frames, frame);
    clock.OnFrames(1);
    EXPECT_EQ(clock.Now(frame, 100).frames, frame);
    clock.OnWritten(frame, 100);
  }
}

TEST(ListenerClock, ALargeBoundIsFilledWithoutAskingForAllOfItAtOnce) {
  ListenerClock clock(
      {.max_waiting_bytes = 10000000, .bytes_per_second = 1000, .frame_seconds = 0.1});
  clock.BeginTurn();
  uint32_t waiting = 0;
  while (true) {
    const uint32_t ahead = clock.Now(0, waiting * 100).frames - waiting;
    ASSERT_LE(ahead, 2048u);
    if (ahead == 0) break;
    clock.OnFrames(ahead);
    waiting += ahead;
  }
  EXPECT_EQ(waiting, 100000u);
}

TEST(ListenerClock, ATurnAlwaysHasALimit) {
  ListenerClock clock({.max_waiting_bytes = 10, .bytes_per_second = 1000, .frame_seconds = 0.1});
  clock.BeginTurn();
  EXPECT_GT(clock.Now(0, 100000).frames, 0u) << "0 would mean none";
}

TEST(ListenerClock, CountsWhatIsWrittenAsPlayedAndWhatWaitsAsStillToCome) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  EXPECT_EQ(clock.Now(5, 0).buffered_seconds, 0);
  clock.OnFrames(10);
  EXPECT_DOUBLE_EQ(clock.Now(5, 1000).buffered_seconds, 1);
  clock.OnWritten(5, 600);
  EXPECT_DOUBLE_EQ(clock.Now(5, 400).buffered_seconds, 1);
  EXPECT_DOUBLE_EQ(clock.Now(5.25, 400).buffered_seconds, 0.75);
  // A client that takes nothing has played what it has, not what waits for it.
  EXPECT_DOUBLE_EQ(clock.Now(100, 400).buffered_seconds, 0.4);
  EXPECT_EQ(clock.Now(100, 400).next_frame, 10u);
}

TEST(ListenerClock, AnEndlessTurnOfAClientThatReadsEveryFrameIsNeverPausedForLong) {
  ListenerClock clock(kOptions);
  clock.BeginTurn();
  uint32_t asked = clock.Now(0, 0).frames, made = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_LT(made, asked);
    ++made;
    clock.OnFrames(1);
    clock.OnWritten(0.1 * i, 100);
    const TurnCredit credit = clock.Now(0.1 * i, 0);
    if (credit.frames >= asked + credit.useful_growth) asked = credit.frames;
  }
}

TEST(PlaybackClock, WhatIsLeftOfATurnIsStillPlayedAfterAPause) {
  PlaybackClock clock;
  EXPECT_EQ(clock.Buffered(3), 0);
  clock.Add(10, 4);
  clock.Pause();
  EXPECT_DOUBLE_EQ(clock.Buffered(12), 2);
  EXPECT_EQ(clock.Add(12, 1), 0);
  EXPECT_DOUBLE_EQ(clock.Buffered(12), 3);
  EXPECT_EQ(clock.Buffered(20), 0);
}

}  // namespace
}  // namespace shoal::preprocess
