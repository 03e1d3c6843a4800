#include "services/preprocess/front/turn_audio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace shoal::preprocess {
namespace {

using Chunk = TurnAudio::Chunk;

Chunk Frames(uint32_t frame, uint32_t frames, bool last = false) {
  Chunk chunk;
  chunk.frame = frame;
  chunk.frames = frames;
  chunk.last = last;
  return chunk;
}

// First frames of what came out.
std::vector<uint32_t> FirstFrames(const std::vector<Chunk>& chunks) {
  std::vector<uint32_t> frames;
  for (const Chunk& chunk : chunks) frames.push_back(chunk.frame);
  return frames;
}

TEST(TurnAudio, AnyOrderWithRepeatsComesOutInOrderOnce) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Chunk> chunks;
    std::vector<uint32_t> expected;
    uint32_t frame = 0;
    for (int i = 0; i < 8; ++i) {
      const uint32_t count = 1 + random() % 4;
      expected.push_back(frame);
      chunks.push_back(Frames(frame, count));
      frame += count;
    }
    chunks.push_back(Frames(frame, 0, true));
    for (int i = 0; i < 4; ++i) chunks.push_back(chunks[random() % 9]);
    std::shuffle(chunks.begin(), chunks.end(), random);

    TurnAudio audio(16);
    std::vector<Chunk> ready;
    for (const Chunk& chunk : chunks) ASSERT_TRUE(audio.Add(chunk, &ready).ok());
    EXPECT_EQ(FirstFrames(ready), expected);
    EXPECT_TRUE(audio.complete());
    EXPECT_FALSE(audio.has_gap());
    EXPECT_EQ(audio.next_frame(), frame);
  }
}

TEST(TurnAudio, AGapIsSeenUntilItIsFilled) {
  TurnAudio audio(16);
  std::vector<Chunk> ready;
  ASSERT_TRUE(audio.Add(Frames(0, 2), &ready).ok());
  ASSERT_TRUE(audio.Add(Frames(3, 1, true), &ready).ok());
  EXPECT_TRUE(audio.has_gap());
  EXPECT_FALSE(audio.complete());
  EXPECT_EQ(audio.next_frame(), 2u);
  ASSERT_TRUE(audio.Add(Frames(2, 1), &ready).ok());
  EXPECT_TRUE(audio.complete());
  EXPECT_THAT(FirstFrames(ready), ::testing::ElementsAre(0, 2, 3));
}

TEST(TurnAudio, ATurnOfNoFramesIsCompleteAtItsEnd) {
  TurnAudio audio(16);
  std::vector<Chunk> ready;
  EXPECT_FALSE(audio.complete());
  ASSERT_TRUE(audio.Add(Frames(0, 0, true), &ready).ok());
  EXPECT_TRUE(audio.complete());
  EXPECT_TRUE(ready.empty());
}

TEST(TurnAudio, HoldsNoMoreThanAllowed) {
  TurnAudio audio(3);
  std::vector<Chunk> ready;
  for (uint32_t frame = 1; frame <= 3; ++frame) {
    ASSERT_TRUE(audio.Add(Frames(frame, 1), &ready).ok());
  }
  EXPECT_EQ(audio.Add(Frames(4, 1), &ready).code(), absl::StatusCode::kDataLoss);
}

TEST(TurnAudio, ContradictionsAreDataLoss) {
  const auto after = [](std::vector<Chunk> chunks, Chunk bad) {
    TurnAudio audio(16);
    std::vector<Chunk> ready;
    for (const Chunk& chunk : chunks) EXPECT_TRUE(audio.Add(chunk, &ready).ok());
    return audio.Add(bad, &ready).code();
  };
  constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
  EXPECT_EQ(after({Frames(0, 2, true)}, Frames(2, 1)), kDataLoss);        // past the end
  EXPECT_EQ(after({Frames(0, 2, true)}, Frames(0, 1, true)), kDataLoss);  // another end
  EXPECT_EQ(after({Frames(0, 4)}, Frames(2, 0, true)), kDataLoss);  // an end before what is out
  EXPECT_EQ(after({Frames(0, 2)}, Frames(1, 2)), kDataLoss);        // half of it is out
  EXPECT_EQ(after({}, Frames(UINT32_MAX, 2)), kDataLoss);           // beyond counting
}

TEST(TurnAudio, CountsRepeats) {
  TurnAudio audio(16);
  std::vector<Chunk> ready;
  ASSERT_TRUE(audio.Add(Frames(0, 2), &ready).ok());
  ASSERT_TRUE(audio.Add(Frames(0, 2), &ready).ok());
  ASSERT_TRUE(audio.Add(Frames(5, 1), &ready).ok());
  ASSERT_TRUE(audio.Add(Frames(5, 1), &ready).ok());
  EXPECT_EQ(audio.repeats(), 2u);
  EXPECT_EQ(ready.size(), 1u);
}

}  // namespace
}  // namespace shoal::preprocess
