#include "services/vocoder/decode_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/services/vocoder/loop_fixture.h"

namespace shoal::vocoder {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using std::chrono::milliseconds;

// Each frame adds 40 ms to a buffer that nobody empties; a chunk of 2 needs 180 ms of it, of 4 260,
// of 8 420.
TEST_F(DecodeLoopTest, ChunksFollowTheBuffer) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(20), /*last=*/true);
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(1, 1, 1, 1, 1, 2, 4, 8, 1));
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(20)));
  EXPECT_EQ(heard_.streams[a].codes, Frames(20));
  EXPECT_EQ(heard_.streams[a].ends, 1);
}

TEST_F(DecodeLoopTest, AFileIsDecodedInLargeChunks) {
  const StreamKey a = Open(1, 1, {.whole_file = true});
  Push(a, 0, 0, Frames(7));
  EXPECT_EQ(loop_.TimeUntilWork(), std::nullopt);
  Push(a, 0, 7, Frames(12, 7), /*last=*/true);
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(8, 8, 2, 1));
}

TEST_F(DecodeLoopTest, AFullBufferWaitsUntilItDrains) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(1));
  RunUntilIdle();
  ASSERT_TRUE(loop_.Hear(a, {.frames = 1000, .buffered = milliseconds(500), .next_frame = 1}));
  Push(a, 0, 1, Frames(3, 1));
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(1));
  // Two of them will do when four would need more than the 260 ms that are left.
  const auto wait = loop_.TimeUntilWork();
  ASSERT_TRUE(wait.has_value());
  EXPECT_GE(*wait, milliseconds(240));
  EXPECT_LE(*wait, milliseconds(242));
  now_ += *wait;
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(1, 2));
}

TEST_F(DecodeLoopTest, StreamsShareSteps) {
  const StreamKey a = Open(1), b = Open(2), c = Open(3);
  for (const StreamKey& key : {a, b, c}) Push(key, 0, 0, Frames(1, static_cast<int>(key.low)));
  const DecodeLoop::StepReport report = loop_.Step();
  ASSERT_EQ(report.batches.size(), 1u);
  EXPECT_EQ(report.batches[0].streams, 3);
  EXPECT_EQ(report.batches[0].frames, 1);
  EXPECT_NE(loop_.TimeUntilWork(), Clock::duration::zero());
}

TEST_F(DecodeLoopTest, AStepTakesDifferentNumbersOfFramesAndTheFewestAreHeardFirst) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(1));
  RunUntilIdle();
  ASSERT_TRUE(loop_.Hear(a, {.frames = 1000, .buffered = milliseconds(800), .next_frame = 1}));
  Push(a, 0, 1, Frames(8, 1));
  const StreamKey b = Open(2);
  Push(b, 0, 0, Frames(1));
  size_t calls = 0;
  const DecodeLoop::StepReport report = loop_.Step([&] {
    // When the short run is decoded nothing was heard of it, when the long one is, it was.
    EXPECT_EQ(heard_.streams[b].chunks.size(), calls++);
  });
  EXPECT_EQ(calls, 2u);
  ASSERT_EQ(report.batches.size(), 2u);
  EXPECT_EQ(report.batches[0].frames, 1);
  EXPECT_EQ(report.batches[1].frames, 8);
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(1, 8));
}

TEST_F(DecodeLoopTest, TurnsContinueInTheSameState) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(3), /*last=*/true);
  RunUntilIdle();
  Push(a, 1, 0, Frames(2, 50), /*last=*/true);
  RunUntilIdle();
  std::vector<FrameCodes> all = Frames(3);
  for (const FrameCodes& frame : Frames(2, 50)) all.push_back(frame);
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(all));
  EXPECT_EQ(heard_.streams[a].ends, 2);
}

TEST_F(DecodeLoopTest, ASlotIsFreshForTheNextStream) {
  for (uint64_t id = 0; id < 20; ++id) {
    const StreamKey key = Open(id);
    Push(key, 0, 0, Frames(2), /*last=*/true);
    RunUntilIdle();
    EXPECT_EQ(heard_.streams[key].pcm, SummingDecoder::Expected(Frames(2)));
    loop_.Close(key);
    EXPECT_EQ(loop_.free_slots(), 4);
  }
}

TEST_F(DecodeLoopTest, MoreStreamsThanSlotsAreRefused) {
  for (uint64_t id = 0; id < 4; ++id) Open(id);
  EXPECT_EQ(loop_.Open({0, 9}, {}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(loop_.Open({0, 1}, {}).code(), absl::StatusCode::kAlreadyExists);
  loop_.Close({0, 2});
  EXPECT_TRUE(loop_.Open({0, 9}, {}).ok());
}

TEST_F(DecodeLoopTest, SamplesThatAreNotFiniteEndTheirStreamAlone) {
  const StreamKey a = Open(1), b = Open(2);
  Push(a, 0, 0, {{SummingDecoder::kPoison, 0}});
  Push(b, 0, 0, Frames(1));
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(heard_.streams[b].failure.ok());
  EXPECT_EQ(heard_.streams[b].pcm, SummingDecoder::Expected(Frames(1)));
  EXPECT_EQ(loop_.Find(a), nullptr);
  EXPECT_EQ(loop_.free_slots(), 3);
}

TEST_F(DecodeLoopTest, AFailedStepEndsItsStreamsAndNoOthers) {
  const StreamKey a = Open(1), b = Open(2);
  Push(a, 0, 0, {{SummingDecoder::kBreakStep, 0}});
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kInternal);
  Push(b, 0, 0, Frames(1), /*last=*/true);
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[b].ends, 1);
}

TEST_F(DecodeLoopTest, AFrameThatNeverArrivesEndsItsStream) {
  const StreamKey a = Open(1), b = Open(2);
  Push(a, 0, 1, Frames(1));
  Push(b, 0, 0, Frames(1));
  RunUntilIdle();
  EXPECT_EQ(loop_.TimeUntilWork(), std::chrono::seconds(1));
  now_ += milliseconds(999);
  loop_.Step();
  EXPECT_NE(loop_.Find(a), nullptr);
  now_ += milliseconds(1);
  loop_.Step();
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(loop_.Find(b), nullptr);
  EXPECT_EQ(loop_.TimeUntilWork(), std::nullopt);
}

TEST_F(DecodeLoopTest, AudioThatNobodyTakesEndsItsStream) {
  const StreamKey a = Open(1);
  heard_.refuse = absl::UnavailableError("gone");
  Push(a, 0, 0, Frames(1));
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(loop_.free_slots(), 4);
}

TEST_F(DecodeLoopTest, AFrontTakesItsStreamsWithIt) {
  const StreamKey a = Open(1, /*front=*/7), b = Open(2, /*front=*/8), c = Open(3, /*front=*/7);
  EXPECT_THAT(loop_.CloseAll([](const StreamOwner& owner) { return owner.front == 7; }),
              ElementsAre(a, c));
  EXPECT_EQ(loop_.Find(a), nullptr);
  EXPECT_NE(loop_.Find(b), nullptr);
}

TEST_F(DecodeLoopTest, NothingIsDecodedBeyondTheFrontsCredit) {
  const StreamKey a = Open(1);
  ASSERT_TRUE(loop_.Hear(a, {.frames = 5}));
  Push(a, 0, 0, Frames(12), /*last=*/true);
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].codes.size(), 5u);
  EXPECT_EQ(loop_.streams_at_credit(), 1);
  EXPECT_EQ(loop_.TimeUntilWork(), std::nullopt);
  // Old news: fewer frames, or the same with less of them known.
  EXPECT_FALSE(loop_.Hear(a, {.frames = 4}));
  ASSERT_TRUE(loop_.Hear(a, {.frames = 8, .next_frame = 5}));
  EXPECT_FALSE(loop_.Hear(a, {.frames = 8, .next_frame = 4}));
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].codes.size(), 8u);
  ASSERT_TRUE(loop_.Hear(a, {.frames = 12, .next_frame = 8}));
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(12)));
  EXPECT_EQ(heard_.streams[a].ends, 1);
  EXPECT_EQ(loop_.streams_at_credit(), 0);
}

// A file's last frames before the limit are not held back for a larger chunk, and a credit is its
// turn's alone.
TEST_F(DecodeLoopTest, ACreditThatFillsNoChunkIsUsedUp) {
  const StreamKey a = Open(1, 1, {.whole_file = true});
  ASSERT_TRUE(loop_.Hear(a, {.frames = 3}));
  Push(a, 0, 0, Frames(5));
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(2, 1));
  ASSERT_TRUE(loop_.Hear(a, {.frames = 5}));
  Push(a, 0, 5, {}, /*last=*/true);
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].ends, 1);
  Push(a, 1, 0, Frames(9), /*last=*/true);
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].ends, 2) << "of turn 1 nothing was said";
  EXPECT_FALSE(loop_.Hear(a, {.turn = 0, .frames = 99}));
}

TEST_F(DecodeLoopTest, NewsCountWhatWasSentSince) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(5));
  RunUntilIdle();
  // 100 ms with frame 0; frames 1 to 4 are on their way: 260 ms, so two frames a chunk and not
  // four.
  ASSERT_TRUE(loop_.Hear(a, {.frames = 1000, .buffered = milliseconds(100), .next_frame = 1}));
  Push(a, 0, 5, Frames(2, 5));
  loop_.Step();
  EXPECT_EQ(heard_.streams[a].chunks.back(), 2u);
}

TEST_F(DecodeLoopTest, ACancelWhileFramesAreDecodedIsObeyedAtOnce) {
  const StreamKey a = Open(1), b = Open(2);
  for (const StreamKey& key : {a, b}) Push(key, 0, 0, Frames(3));
  loop_.Step([&] {
    if (loop_.Find(a) == nullptr) return;
    loop_.Close(a);
    EXPECT_EQ(loop_.free_slots(), 3);
    // Its slot is another stream's from now on, and so is its name.
    const StreamKey again = Open(1);
    Push(again, 0, 0, Frames(1, 70), /*last=*/true);
  });
  EXPECT_EQ(heard_.streams.count(a), 0u);
  EXPECT_EQ(heard_.streams[b].codes.size(), 1u);
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(1, 70)));
}

TEST_F(DecodeLoopTest, ACancelBetweenTheBatchesOfAStepIsObeyedAtOnce) {
  const StreamKey a = Open(1), b = Open(2, 1, {.whole_file = true});
  Push(a, 0, 0, Frames(1));
  Push(b, 0, 0, Frames(8));
  const DecodeLoop::StepReport report = loop_.Step([&] { loop_.Close(b); });
  EXPECT_EQ(report.batches.size(), 1u);
  EXPECT_EQ(heard_.streams.count(b), 0u);
  EXPECT_EQ(heard_.streams[a].chunks.size(), 1u);
}

class BoundedLoopTest : public DecodeLoopTest {
 protected:
  BoundedLoopTest() : DecodeLoopTest(2, {.max_queued_frames = 4, .max_stream_frames = 10}) {}
};

TEST_F(BoundedLoopTest, AQueueThatOverflowsEndsItsStreamAlone) {
  const StreamKey a = Open(1), b = Open(2);
  ASSERT_TRUE(loop_.Hear(a, {.frames = 1}));
  Push(b, 0, 0, Frames(1));
  Push(a, 0, 0, Frames(4));
  EXPECT_TRUE(heard_.streams[a].failure.ok());
  Push(a, 0, 4, Frames(1));
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(heard_.streams[a].failure.message()), HasSubstr("max-queued-frames"));
  RunUntilIdle();
  EXPECT_EQ(heard_.streams[b].pcm, SummingDecoder::Expected(Frames(1)));
}

TEST_F(BoundedLoopTest, AStreamThatNeverEndsIsEnded) {
  const StreamKey a = Open(1);
  for (uint32_t turn = 0; turn < 3; ++turn) {
    Push(a, turn, 0, Frames(4), /*last=*/true);
    RunUntilIdle();
  }
  EXPECT_EQ(heard_.streams[a].ends, 2);
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(loop_.free_slots(), 2);
}

}  // namespace
}  // namespace shoal::vocoder
