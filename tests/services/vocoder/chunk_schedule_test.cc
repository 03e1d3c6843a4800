#include "services/vocoder/chunk_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "services/vocoder/listener_buffer.h"

namespace shoal::vocoder {
namespace {

using Candidate = ChunkSchedule::Candidate;
using Seconds = ChunkSchedule::Seconds;
using ::testing::ElementsAre;

// Frames of 40 ms and a reserve of 100: a chunk of 2 needs 180 ms, of 4 260, of 8 420.
const ChunkSchedule kSchedule({}, Seconds(0.04));

Candidate Listener(int ready, double buffered, uint64_t served = 0) {
  return {.ready = ready, .begun = true, .buffered = Seconds(buffered), .served = served};
}

Candidate File(int ready, uint64_t served = 0) {
  return {.ready = ready, .whole_file = true, .served = served};
}

// (candidate, frames) of every chunk.
std::vector<std::pair<size_t, int>> Choose(const ChunkSchedule& schedule,
                                           const std::vector<Candidate>& candidates) {
  std::vector<std::pair<size_t, int>> chunks;
  for (const auto& chunk : schedule.Choose(candidates)) {
    chunks.emplace_back(chunk.candidate, chunk.frames);
  }
  return chunks;
}

TEST(ChunkScheduleTest, ChunksGrowWithTheBuffer) {
  EXPECT_EQ(kSchedule.Frames(Listener(20, 0)), 1);
  EXPECT_EQ(kSchedule.Frames(Listener(20, 0.179)), 1);
  EXPECT_EQ(kSchedule.Frames(Listener(20, 0.181)), 2);
  EXPECT_EQ(kSchedule.Frames(Listener(20, 0.261)), 4);
  EXPECT_EQ(kSchedule.Frames(Listener(20, 0.421)), 8);
  EXPECT_EQ(kSchedule.Frames(Listener(200, 100)), 8);
}

TEST(ChunkScheduleTest, AStreamNobodyHasHeardTakesOneFrame) {
  Candidate fresh = Listener(20, 5);
  fresh.begun = false;
  EXPECT_EQ(kSchedule.Frames(fresh), 1);
  fresh.ready = 0;
  EXPECT_EQ(kSchedule.Frames(fresh), 0);
}

TEST(ChunkScheduleTest, AFullBufferWaitsForALargeChunk) {
  EXPECT_EQ(kSchedule.Frames(Listener(7, 1)), 0);
  EXPECT_EQ(kSchedule.Frames(Listener(8, 1)), 8);
  EXPECT_EQ(kSchedule.Frames(Listener(3, 0.3)), 0);
}

TEST(ChunkScheduleTest, WhatIsThereIsTakenWhenNoMoreComes) {
  Candidate end = Listener(7, 1);
  end.more = false;
  EXPECT_EQ(kSchedule.Frames(end), 4);
  end.ready = 3;
  EXPECT_EQ(kSchedule.Frames(end), 2);
  end.ready = 0;
  EXPECT_EQ(kSchedule.Frames(end), 0);
}

TEST(ChunkScheduleTest, FilesTakeTheLargestChunks) {
  EXPECT_EQ(kSchedule.Frames(File(7)), 0);
  EXPECT_EQ(kSchedule.Frames(File(9)), 8);
  EXPECT_EQ(kSchedule.TimeUntilDue(File(7)), std::nullopt);
}

TEST(ChunkScheduleTest, AFrontMayAskForSmallerChunks) {
  Candidate small = Listener(20, 5);
  small.most = 3;
  EXPECT_EQ(kSchedule.Frames(small), 2);
  small.most = 100;
  EXPECT_EQ(kSchedule.Frames(small), 8);
}

// Whoever waits is decoded in time: the buffer then still holds the reserve and the chunk.
TEST(ChunkScheduleTest, NoListenerRunsDryForALargerChunk) {
  std::mt19937 random(1);
  for (int round = 0; round < 10000; ++round) {
    const Candidate waiting = Listener(1 + static_cast<int>(random() % 8),
                                       std::uniform_real_distribution<>(0, 1)(random));
    const auto due = kSchedule.TimeUntilDue(waiting);
    ASSERT_TRUE(due.has_value());
    if (kSchedule.Frames(waiting) > 0) {
      EXPECT_EQ(due->count(), 0);
      continue;
    }
    ASSERT_GT(due->count(), 0);
    Candidate later = waiting;
    later.buffered -= *due;
    EXPECT_GT(later.buffered.count(), 0.1 + 0.04 - 2e-3);
    const int frames = kSchedule.Frames(later);
    EXPECT_GT(frames, 0);
    EXPECT_LE(frames, later.ready);
    EXPECT_LT(frames * 0.04, later.buffered.count());
  }
  EXPECT_EQ(kSchedule.TimeUntilDue(Listener(0, 1)), std::nullopt);
}

TEST(ChunkScheduleTest, TheEmptiestBuffersGoFirstWhenNotAllFit) {
  const ChunkSchedule two({.max_batch = 2}, Seconds(0.04));
  EXPECT_THAT(Choose(two, {Listener(8, 0.3), Listener(8, 0.1), Listener(8, 0.0), Listener(8, 2)}),
              ElementsAre(std::pair(2, 1), std::pair(1, 1)));
}

TEST(ChunkScheduleTest, EqualsTakeTurns) {
  const ChunkSchedule one({.max_batch = 1}, Seconds(0.04));
  EXPECT_THAT(Choose(one, {Listener(8, 0, 7), Listener(8, 0, 3), Listener(8, 0, 5)}),
              ElementsAre(std::pair(1, 1)));
  EXPECT_THAT(Choose(one, {File(8, 2), File(8, 1)}), ElementsAre(std::pair(1, 8)));
}

TEST(ChunkScheduleTest, SmallChunksComeFirstInAStep) {
  EXPECT_THAT(Choose(kSchedule, {Listener(8, 2), Listener(8, 0), File(8), Listener(8, 0.2)}),
              ElementsAre(std::pair(1, 1), std::pair(3, 2), std::pair(2, 8), std::pair(0, 8)));
}

TEST(ChunkScheduleTest, AFileIsNotShutOutByListeners) {
  const ChunkSchedule two({.max_batch = 2}, Seconds(0.04));
  EXPECT_THAT(Choose(two, {Listener(1, 0), Listener(1, 0), File(8), File(8)}),
              ElementsAre(std::pair(0, 1), std::pair(2, 8)));
}

TEST(ChunkScheduleTest, AStepIsBounded) {
  const ChunkSchedule ten({.max_frames_per_step = 10}, Seconds(0.04));
  EXPECT_THAT(Choose(ten, {Listener(8, 1), Listener(8, 1, 1), Listener(8, 1, 2)}),
              ElementsAre(std::pair(1, 2), std::pair(0, 8)));
}

// A listener, an engine that draws frames faster than they are played and now and then stops, and
// steps that take their time: chunks become large, and nobody runs dry who need not.
TEST(ChunkScheduleTest, ASimulatedListenerNeverRunsDryWhileFramesAreThere) {
  using Clock = ListenerBuffer::Clock;
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    ListenerBuffer buffer;
    Clock::time_point now{};
    const auto milliseconds = [](double n) {
      return std::chrono::duration_cast<Clock::duration>(Seconds(n / 1000));
    };
    const double engine_ms = std::uniform_real_distribution<>(10, 25)(random);
    int ready = 0, chunks = 0, frames = 0, dry = 0;
    for (int drawn = 0; drawn < 500; ++drawn) {
      now += milliseconds(engine_ms);
      ++ready;
      while (true) {
        const Candidate candidate = {.ready = ready,
                                     .more = drawn + 1 < 500,
                                     .begun = frames > 0,
                                     .buffered = buffer.At(now)};
        const int n = kSchedule.Frames(candidate);
        if (n == 0) break;
        const auto until = now + milliseconds(0.25 * 40 * n);  // a quarter of real time
        if (frames > 0 && buffer.At(until).count() == 0) ++dry;
        now = until;
        buffer.Add(n * Seconds(0.04), now);
        ready -= n;
        frames += n;
        ++chunks;
      }
    }
    EXPECT_EQ(frames, 500);
    EXPECT_EQ(dry, 0) << "an engine that draws a frame every " << engine_ms << " ms";
    EXPECT_LT(chunks, 200);
  }
}

}  // namespace
}  // namespace shoal::vocoder
