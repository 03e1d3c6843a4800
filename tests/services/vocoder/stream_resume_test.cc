// Streams that go on in a new attempt, here or in another vocoder, sound as if nothing had been.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/services/vocoder/loop_fixture.h"

namespace shoal::vocoder {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StreamResumeTest : public DecodeLoopTest {
 protected:
  explicit StreamResumeTest(DecodeLoop::Options options = {})
      : DecodeLoopTest(4, std::move(options)) {}

  static std::vector<FrameCodes> Part(const std::vector<FrameCodes>& frames, size_t first,
                                      size_t end) {
    return {frames.begin() + static_cast<std::ptrdiff_t>(first),
            frames.begin() + static_cast<std::ptrdiff_t>(end)};
  }
  // As a replay at `position` brings them: the last `count` frames before it.
  static std::vector<int32_t> LastCodes(const std::vector<FrameCodes>& frames, size_t position,
                                        size_t count) {
    std::vector<int32_t> codes;
    for (size_t i = position - std::min(position, count); i < position; ++i) {
      codes.insert(codes.end(), frames[i].begin(), frames[i].end());
    }
    return codes;
  }
};

TEST_F(StreamResumeTest, AStreamGoesOnFromItsLastCodes) {
  const std::vector<FrameCodes> frames = Frames(40);
  for (const uint32_t cut : {1u, 3u, 5u, 6u, 17u, 39u}) {
    for (const size_t more : {0u, 3u}) {
      const StreamKey key = {cut, more};
      heard_.streams[key].first_sample = cut * SummingDecoder::kFrameLength;
      const StreamStart start = {.frame = cut,
                                 .position = cut,
                                 .codes = LastCodes(frames, cut, SummingDecoder::kReach + more)};
      ASSERT_TRUE(loop_.Open(key, {}, start).ok());
      Push(key, 0, cut, Part(frames, cut, 40), /*last=*/true);
      Play();
      EXPECT_EQ(heard_.streams[key].pcm, SummingDecoder::Expected(frames, cut)) << "cut " << cut;
      EXPECT_EQ(heard_.streams[key].ends, 1);
      loop_.Close(key);
    }
  }
}

TEST_F(StreamResumeTest, AStreamGoesOnInALaterTurn) {
  const std::vector<FrameCodes> frames = Frames(30);
  const StreamKey key = {0, 1};
  heard_.streams[key].first_sample = 20 * SummingDecoder::kFrameLength;
  ASSERT_TRUE(loop_
                  .Open(key, {},
                        {.turn = 2,
                         .frame = 4,
                         .position = 20,
                         .codes = LastCodes(frames, 20, SummingDecoder::kReach)})
                  .ok());
  Push(key, 2, 4, Part(frames, 20, 25), /*last=*/true);
  Push(key, 1, 0, Frames(1));  // of a turn that is over
  Play();
  Push(key, 3, 0, Part(frames, 25, 30), /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[key].pcm, SummingDecoder::Expected(frames, 20));
  EXPECT_EQ(heard_.streams[key].ends, 2);
}

TEST_F(StreamResumeTest, GoesBackToACutThatWasHeardAlready) {
  const std::vector<FrameCodes> old = Frames(20);
  std::vector<FrameCodes> fresh = Part(old, 0, 7);
  for (const FrameCodes& frame : Frames(9, 77)) fresh.push_back(frame);
  const StreamKey a = Open(1);
  Push(a, 0, 0, old);
  Play();
  EXPECT_TRUE(loop_.Resume(a, 0, /*attempt=*/1, /*cut=*/7));
  EXPECT_EQ(loop_.Find(a)->attempt, 1u);
  Push(a, 0, 7, Part(fresh, 7, 16), /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(fresh));
  EXPECT_EQ(heard_.streams[a].codes, fresh);
  EXPECT_EQ(heard_.streams[a].ends, 1);
  EXPECT_EQ(decoder_.replayed(), SummingDecoder::kReach);
}

TEST_F(StreamResumeTest, GoesBackToItsBeginning) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(4));
  Play();
  EXPECT_TRUE(loop_.Resume(a, 0, 1, 0));
  Push(a, 0, 0, Frames(4, 9), /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(4, 9)));
}

TEST_F(StreamResumeTest, AheadOfWhatWasHeardNothingIsDecodedTwice) {
  const std::vector<FrameCodes> frames = Frames(12);
  const StreamKey a = Open(1);
  ASSERT_TRUE(loop_.Hear(a, {.frames = 3}));
  Push(a, 0, 0, Part(frames, 0, 8));
  Play();
  EXPECT_FALSE(loop_.Resume(a, 0, 1, 6));  // 3, 4 and 5 are here; 6 and 7 come again
  ASSERT_TRUE(loop_.Hear(a, {.frames = 100}));
  Push(a, 0, 6, Part(frames, 6, 12), /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(frames));
  EXPECT_EQ(decoder_.replayed(), 0);
}

TEST_F(StreamResumeTest, AnEndedTurnIsTakenUpAgain) {
  std::vector<FrameCodes> frames = Frames(10);
  const StreamKey a = Open(1);
  Push(a, 0, 0, Part(frames, 0, 4), /*last=*/true);
  Play();
  Push(a, 1, 0, Part(frames, 4, 10), /*last=*/true);
  Play();
  EXPECT_TRUE(loop_.Resume(a, 1, 1, 2));
  frames.resize(6);
  frames.push_back({5, 5});
  Push(a, 1, 2, {{5, 5}}, /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(frames));
}

// Decoded, but not sent: the front cannot have it, and a cut behind it wants it still.
TEST_F(StreamResumeTest, WhatIsBeingDecodedIsSentInTheNewAttempt) {
  const std::vector<FrameCodes> frames = Frames(9);
  const StreamKey a = Open(1);
  Push(a, 0, 0, Part(frames, 0, 4));
  bool resumed = false;
  const auto resume = [&] {
    if (heard_.streams[a].codes.size() != 2 || resumed) return;
    resumed = true;
    loop_.Resume(a, 0, 1, 4);
    Push(a, 0, 4, Part(frames, 4, 9), /*last=*/true);
  };
  while (loop_.TimeUntilWork() == Clock::duration::zero()) loop_.Step(resume);
  EXPECT_TRUE(resumed);
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(frames));
  EXPECT_EQ(heard_.streams[a].ends, 1);
}

// The new engine's frames come on another connection than the front's Resume, perhaps before it.
TEST_F(StreamResumeTest, FramesOfAnAttemptMayComeBeforeIt) {
  const std::vector<FrameCodes> frames = Frames(12);
  const StreamKey a = Open(1);
  Push(a, 0, 0, Part(frames, 0, 8));
  Play();
  const auto ahead = [&](uint32_t attempt, uint32_t first, std::vector<FrameCodes> some) {
    return loop_.PushAhead(a, attempt, {.first = first, .frames = std::move(some)});
  };
  EXPECT_TRUE(ahead(2, 6, Part(frames, 6, 9)));
  EXPECT_TRUE(ahead(1, 5, Frames(4, 99)));  // an attempt that nobody hears of any more
  EXPECT_TRUE(ahead(3, 0, Frames(4, 88)));
  EXPECT_TRUE(loop_.Resume(a, 0, 2, 6));
  Push(a, 0, 9, Part(frames, 9, 12), /*last=*/true);
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(frames));
  EXPECT_TRUE(loop_.Resume(a, 0, 3, 0));
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(4, 88)));
}

TEST_F(StreamResumeTest, FramesOfLaterAttemptsAreBounded) {
  const StreamKey a = Open(1);
  const size_t most = DecodeLoop::Options().max_queued_frames;
  EXPECT_TRUE(loop_.PushAhead(a, 1, {.frames = Frames(static_cast<int>(most))}));
  EXPECT_FALSE(loop_.PushAhead(a, 1, {.frames = Frames(1)}));
  for (size_t i = 0; i + 1 < most; ++i) ASSERT_TRUE(loop_.PushAhead(a, 1, {}));
  EXPECT_FALSE(loop_.PushAhead(a, 1, {}));
}

TEST_F(StreamResumeTest, WhatCannotBeResumedFails) {
  const StreamKey a = Open(1), b = Open(2);
  for (const StreamKey& key : {a, b}) Push(key, 0, 0, Frames(3));
  Play();
  EXPECT_FALSE(loop_.Resume(a, 2, 1, 5));
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(heard_.streams[a].failure.message()), HasSubstr("resume.turn"));
  EXPECT_EQ(loop_.free_slots(), 3);
  Push(b, 0, 3, {}, /*last=*/true);
  Play();
  EXPECT_FALSE(loop_.Resume(b, 0, 1, 4));
  EXPECT_THAT(std::string(heard_.streams[b].failure.message()), HasSubstr("resume.cut"));
}

class ShortMemoryTest : public StreamResumeTest {
 protected:
  ShortMemoryTest() : StreamResumeTest({.rollback_frames = 4}) {}
};

TEST_F(ShortMemoryTest, NoFurtherBackThanIsRemembered) {
  const std::vector<FrameCodes> frames = Frames(20);
  const StreamKey a = Open(1);
  Push(a, 0, 0, frames);
  Play();
  EXPECT_TRUE(loop_.Resume(a, 0, 1, 16));
  Push(a, 0, 16, Part(frames, 16, 20));
  Play();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(frames));
  EXPECT_FALSE(loop_.Resume(a, 0, 2, 15));
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(heard_.streams[a].failure.message()), HasSubstr("5 frames back"));
}

class SmallPiecesTest : public StreamResumeTest {
 protected:
  SmallPiecesTest() : StreamResumeTest({.replay_frames_per_step = 2}) {}
};

TEST_F(SmallPiecesTest, AReplayHoldsNobodyUp) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(9));
  Play();
  const StreamKey b = Open(2);
  Push(b, 0, 0, Frames(3));
  loop_.Resume(a, 0, 1, 8);
  Push(a, 0, 8, Frames(1, 5), /*last=*/true);
  for (const int replayed : {2, 2, 1}) {
    const DecodeLoop::StepReport report = loop_.Step();
    EXPECT_EQ(report.replayed, replayed);
    ASSERT_EQ(report.batches.size(), 1u);
    EXPECT_EQ(report.batches[0].streams, 1);
  }
  EXPECT_THAT(heard_.streams[b].chunks, ElementsAre(1, 1, 1));
  Play();
  std::vector<FrameCodes> expected = Frames(8);
  expected.push_back(Frames(1, 5)[0]);
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(expected));
}

// Streams of several turns that are resumed again and again, at cuts before and behind what was
// heard, with other frames from there on.
TEST_F(StreamResumeTest, AnyCutsOfAnyTurnsSoundLikeTheUnbrokenStream) {
  std::mt19937 random(3);
  for (uint64_t id = 0; id < 300; ++id) {
    const StreamKey key = Open(id);
    std::vector<FrameCodes> spoken;  // of all turns
    uint32_t attempt = 0;
    int seed = 0;
    for (uint32_t turn = 0; turn < 3; ++turn) {
      const size_t turn_start = spoken.size();
      std::vector<FrameCodes> frames = Frames(1 + static_cast<int>(random() % 30), ++seed * 37);
      uint32_t sent = 0;
      bool ended = false;
      for (int breaks = static_cast<int>(random() % 3); !ended;) {
        const auto length = static_cast<uint32_t>(frames.size());
        const uint32_t end = breaks > 0 ? sent + random() % (length - sent + 1) : length;
        Push(key, turn, sent, Part(frames, sent, end), /*last=*/end == length);
        sent = end;
        for (int steps = static_cast<int>(random() % 9); steps > 0; --steps) {
          loop_.Step();
          now_ += milliseconds(random() % 50);
        }
        ended = breaks-- <= 0;
        if (ended) break;
        const uint32_t cut = random() % (sent + 1);
        loop_.Resume(key, turn, ++attempt, cut);
        frames.resize(cut);
        const auto others = Frames(1 + static_cast<int>(random() % 20), ++seed * 37);
        frames.insert(frames.end(), others.begin(), others.end());
        sent = cut;
      }
      Play();
      ASSERT_TRUE(heard_.streams[key].failure.ok()) << heard_.streams[key].failure;
      spoken.resize(turn_start);
      spoken.insert(spoken.end(), frames.begin(), frames.end());
      ASSERT_EQ(heard_.streams[key].codes, spoken) << "stream " << id << ", turn " << turn;
    }
    ASSERT_EQ(heard_.streams[key].pcm, SummingDecoder::Expected(spoken)) << "stream " << id;
    loop_.Close(key);
  }
}

}  // namespace
}  // namespace shoal::vocoder
