#include "services/vocoder/decode_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/services/vocoder/summing_decoder.h"

namespace shoal::vocoder {
namespace {

using ::testing::ElementsAre;

using Clock = DecodeLoop::Clock;
const Clock::time_point kNow{};

// Collects what streams sound like.
class Recorder final : public DecodeSink {
 public:
  struct Heard {
    std::vector<float> pcm;
    std::vector<FrameCodes> codes;
    std::vector<size_t> chunks;  // frames of each
    int ends = 0;
    absl::Status failure;
  };

  absl::Status OnAudio(const StreamKey& stream, const StreamOwner&,
                       const DecodedRun& decoded) override {
    Heard& heard = streams[stream];
    EXPECT_EQ(decoded.first_sample, heard.pcm.size());
    heard.pcm.insert(heard.pcm.end(), decoded.pcm.begin(), decoded.pcm.end());
    heard.codes.insert(heard.codes.end(), decoded.run.frames.begin(), decoded.run.frames.end());
    heard.chunks.push_back(decoded.run.frames.size());
    heard.ends += decoded.run.last;
    return refuse;
  }
  void OnFailed(const StreamKey& stream, const StreamOwner&, const absl::Status& why) override {
    streams[stream].failure = why;
  }

  std::map<StreamKey, Heard> streams;
  absl::Status refuse;
};

class DecodeLoopTest : public ::testing::Test {
 protected:
  explicit DecodeLoopTest(int slots = 4) : decoder_(slots) {}

  StreamKey Open(uint64_t id, uint64_t front = 1) {
    const StreamKey key = {0, id};
    const absl::Status status = loop_.Open(key, {.front = front});
    EXPECT_TRUE(status.ok()) << status;
    return key;
  }

  void Push(const StreamKey& key, uint32_t turn, uint32_t first, std::vector<FrameCodes> frames,
            bool last = false) {
    loop_.Push(key, {.turn = turn, .first = first, .frames = std::move(frames), .last = last},
               kNow);
  }

  void RunUntilIdle() {
    while (!loop_.idle()) loop_.Step(kNow);
  }

  SummingDecoder decoder_;
  Recorder heard_;
  DecodeLoop loop_{{}, &decoder_, &heard_};
};

std::vector<FrameCodes> Frames(int count, int32_t seed = 0) {
  std::vector<FrameCodes> frames;
  for (int i = 0; i < count; ++i) frames.push_back({100 + (seed + i) % 500, 200 + 3 * i});
  return frames;
}

TEST_F(DecodeLoopTest, TheFirstStepIsOneFrameAndLaterOnesTakeWhatIsThere) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(16), /*last=*/true);
  RunUntilIdle();
  EXPECT_THAT(heard_.streams[a].chunks, ElementsAre(1, 8, 4, 2, 1));
  EXPECT_EQ(heard_.streams[a].pcm, SummingDecoder::Expected(Frames(16)));
  EXPECT_EQ(heard_.streams[a].codes, Frames(16));
  EXPECT_EQ(heard_.streams[a].ends, 1);
}

TEST_F(DecodeLoopTest, StreamsShareSteps) {
  const StreamKey a = Open(1), b = Open(2), c = Open(3);
  for (const StreamKey& key : {a, b, c}) Push(key, 0, 0, Frames(1, static_cast<int>(key.low)));
  const DecodeLoop::StepReport report = loop_.Step(kNow);
  EXPECT_EQ(report.streams, 3);
  EXPECT_EQ(report.frames, 3);
  EXPECT_TRUE(loop_.idle());
}

TEST_F(DecodeLoopTest, ANewStreamDoesNotWaitForAnothersLongRun) {
  const StreamKey a = Open(1);
  Push(a, 0, 0, Frames(1));
  RunUntilIdle();
  Push(a, 0, 1, Frames(8, 1));
  const StreamKey b = Open(2);
  Push(b, 0, 0, Frames(1));
  const DecodeLoop::StepReport report = loop_.Step(kNow);
  EXPECT_EQ(report.streams, 2);
  EXPECT_EQ(heard_.streams[b].chunks.size(), 1u);
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
  EXPECT_TRUE(loop_.has_gaps());
  loop_.Step(kNow + std::chrono::milliseconds(999));
  EXPECT_NE(loop_.Find(a), nullptr);
  loop_.Step(kNow + std::chrono::seconds(1));
  EXPECT_EQ(heard_.streams[a].failure.code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(loop_.Find(b), nullptr);
  EXPECT_FALSE(loop_.has_gaps());
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

// 200 streams through 16 slots, frames in random order and portions: everybody hears what a stream
// alone would.
class ManyStreamsTest : public DecodeLoopTest {
 protected:
  ManyStreamsTest() : DecodeLoopTest(16) {}
};

TEST_F(ManyStreamsTest, RandomStreamsSoundAsTheyWouldAlone) {
  struct Source {
    StreamKey key;
    std::vector<FrameCodes> frames;
    std::vector<uint32_t> order;  // in which frames are sent
    size_t sent = 0;
  };
  std::mt19937 random(5);
  std::vector<Source> live;
  uint64_t opened = 0, ended = 0;
  while (ended < 200) {
    if (opened < 200 && loop_.free_slots() > 0) {
      Source source = {.key = Open(opened), .frames = {}, .order = {}};
      source.frames = Frames(1 + static_cast<int>(random() % 40), static_cast<int>(opened++ * 7));
      for (uint32_t i = 0; i < source.frames.size(); ++i) source.order.push_back(i);
      for (size_t i = 0; i + 1 < source.order.size(); ++i) {  // neighbours trade places
        if (random() % 4 == 0) std::swap(source.order[i], source.order[i + 1]);
      }
      live.push_back(std::move(source));
    }
    Source& source = live[random() % live.size()];
    for (size_t burst = random() % 6; burst > 0 && source.sent < source.order.size(); --burst) {
      const uint32_t number = source.order[source.sent++];
      Push(source.key, 0, number, {source.frames[number]});
    }
    if (source.sent == source.order.size()) {
      Push(source.key, 0, static_cast<uint32_t>(source.frames.size()), {}, /*last=*/true);
    }
    loop_.Step(kNow);
    for (size_t i = 0; i < live.size();) {
      const Recorder::Heard& heard = heard_.streams[live[i].key];
      ASSERT_TRUE(heard.failure.ok()) << heard.failure;
      if (heard.ends == 0) {
        ++i;
        continue;
      }
      EXPECT_EQ(heard.pcm, SummingDecoder::Expected(live[i].frames));
      EXPECT_EQ(heard.codes, live[i].frames);
      loop_.Close(live[i].key);
      live.erase(live.begin() + static_cast<int64_t>(i));
      ++ended;
    }
  }
  EXPECT_EQ(loop_.free_slots(), 16);
}

}  // namespace
}  // namespace shoal::vocoder
