// The decode loop over the real codec, at small sizes: what streams sound like, and what they leave
// behind.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "services/vocoder/dac_frame_decoder.h"
#include "services/vocoder/decode_loop.h"
#include "tests/common/codec/small_codec.h"
#include "tests/services/vocoder/resident_memory.h"

namespace shoal::vocoder {
namespace {

using model::ProductMode;
using testing::Between;
using testing::SmallCodec;

std::unique_ptr<DacFrameDecoder> Load(const checkpoint::Checkpoint& checkpoint, int slots) {
  auto decoder =
      DacFrameDecoder::Load(checkpoint, {.num_slots = slots, .mode = ProductMode::kDeterministic});
  if (!decoder.ok()) throw std::runtime_error(decoder.status().ToString());
  return *std::move(decoder);
}

std::vector<FrameCodes> Rows(const at::Tensor& codes) {
  std::vector<FrameCodes> frames;
  const auto* row = codes.const_data_ptr<int32_t>();
  for (int64_t i = 0; i < codes.size(0); ++i, row += codes.size(1)) {
    frames.emplace_back(row, row + codes.size(1));
  }
  return frames;
}

std::vector<FrameCodes> Part(const std::vector<FrameCodes>& frames, size_t first, size_t end) {
  return {frames.begin() + static_cast<std::ptrdiff_t>(first),
          frames.begin() + static_cast<std::ptrdiff_t>(end)};
}

// Keeps what streams sound like, each sample where it belongs.
class Tape final : public DecodeSink {
 public:
  absl::Status OnAudio(const StreamKey& stream, const StreamOwner&,
                       const DecodedRun& decoded) override {
    std::vector<float>& tape = pcm[stream];
    const size_t end = decoded.first_sample + decoded.pcm.size();
    if (tape.size() < end) tape.resize(end);
    std::copy(decoded.pcm.begin(), decoded.pcm.end(),
              tape.begin() + static_cast<std::ptrdiff_t>(decoded.first_sample));
    frames += decoded.run.frames.size();
    ends[stream] += decoded.run.last;
    return absl::OkStatus();
  }
  void OnFailed(const StreamKey&, const StreamOwner&, const absl::Status& why) override {
    ADD_FAILURE() << why;
  }

  std::map<StreamKey, std::vector<float>> pcm;
  std::map<StreamKey, int> ends;
  size_t frames = 0;
};

// Streams of two turns that lose their vocoder and go on in another, go back to cuts, and share
// steps, against each decoded alone and at once: not a bit of difference.
TEST(DacStreamsTest, FailoverIsNotHeard) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    SmallCodec codec(seed);
    const auto alone = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
    const auto decoders = std::pair(Load(codec.checkpoint, 4), Load(codec.checkpoint, 4));
    const int reach = decoders.first->replay_frames();
    DecodeLoop::Clock::time_point now{};
    Tape tape;
    DecodeLoop::Options options;
    options.clock = [&now] { return now; };
    options.replay_frames_per_step = static_cast<int>(Between(codec.random, 1, 80));
    DecodeLoop first(options, decoders.first.get(), &tape);
    DecodeLoop second(options, decoders.second.get(), &tape);
    const auto play = [&now](DecodeLoop& loop) {
      for (auto wait = loop.TimeUntilWork(); wait.has_value(); wait = loop.TimeUntilWork()) {
        now += *wait;
        loop.Step();
      }
    };
    std::map<StreamKey, at::Tensor> codes;
    std::map<StreamKey, int64_t> turn_length, cut;
    for (uint64_t id = 0; id < 4; ++id) {
      const StreamKey key = {seed, id};
      const int64_t total = Between(codec.random, 2, reach + 60);
      codes[key] = codec.Codes(total);
      const std::vector<FrameCodes> frames = Rows(codes[key]);
      turn_length[key] = Between(codec.random, 1, total - 1);
      cut[key] = Between(codec.random, turn_length[key], total);
      ASSERT_TRUE(first.Open(key, {}).ok());
      first.Push(key, {.turn = 0, .frames = Part(frames, 0, turn_length[key]), .last = true});
    }
    play(first);
    for (auto& [key, all] : codes) {  // part of turn 1, and a bit of it again in a new attempt
      const std::vector<FrameCodes> frames = Rows(all);
      first.Push(key, {.turn = 1, .frames = Part(frames, turn_length[key], cut[key])});
    }
    play(first);
    for (auto& [key, all] : codes) {
      const std::vector<FrameCodes> frames = Rows(all);
      const auto again =
          static_cast<uint32_t>(Between(codec.random, 0, cut[key] - turn_length[key]));
      first.Resume(key, 1, 1, again);
      first.Push(
          key,
          {.turn = 1, .first = again, .frames = Part(frames, turn_length[key] + again, cut[key])});
    }
    play(first);
    for (auto& [key, all] : codes) {  // the rest elsewhere
      const std::vector<FrameCodes> frames = Rows(all);
      const int64_t given = std::min<int64_t>(cut[key], reach);
      const at::Tensor last = all.narrow(0, cut[key] - given, given).contiguous();
      const auto next = static_cast<uint32_t>(cut[key] - turn_length[key]);
      StreamStart start = {.turn = 1, .frame = next, .position = static_cast<uint64_t>(cut[key])};
      start.codes.assign(last.const_data_ptr<int32_t>(),
                         last.const_data_ptr<int32_t>() + last.numel());
      ASSERT_TRUE(second.Open(key, {.attempt = 2}, start).ok());
      second.Push(key, {.turn = 1,
                        .first = next,
                        .frames = Part(frames, cut[key], frames.size()),
                        .last = true});
    }
    play(second);
    for (const auto& [key, all] : codes) {
      const at::Tensor expected = testing::DecodeAtOnce(*alone, all);
      const std::vector<float>& heard = tape.pcm[key];
      ASSERT_EQ(static_cast<int64_t>(heard.size()), expected.size(0));
      EXPECT_TRUE(at::tensor(heard).equal(expected));
      EXPECT_EQ(tape.ends[key], 2);
    }
  }
}

// What the loop holds of streams follows their number and their length's bounds: 10,000 of them
// through 8 slots leave nothing. Allowed is 1 MiB, which is 105 bytes a stream.
TEST(DacStreamsTest, TenThousandStreamsLeaveNothing) {
  constexpr int64_t kAllowed = 1 << 20;
  constexpr uint64_t kWarmUp = 1000, kStreams = 10000;
  SmallCodec codec(3);
  const auto decoder = Load(codec.checkpoint, 8);
  class Silence final : public DecodeSink {
   public:
    absl::Status OnAudio(const StreamKey&, const StreamOwner&, const DecodedRun& run) override {
      frames += run.run.frames.size();
      return absl::OkStatus();
    }
    void OnFailed(const StreamKey&, const StreamOwner&, const absl::Status&) override { ++failed; }
    size_t frames = 0, failed = 0;
  } sink;
  DecodeLoop loop({}, decoder.get(), &sink);
  const std::vector<FrameCodes> frames = Rows(codec.Codes(16));
  std::vector<StreamKey> open;
  int64_t before = 0;
  for (uint64_t id = 0; id < kStreams + kWarmUp; ++id) {
    if (id == kWarmUp) before = ResidentBytes();
    if (open.size() == 8) {  // whichever leaves, finished or not
      const size_t leaving = Between(codec.random, 0, 7);
      loop.Close(open[leaving]);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(leaving));
    }
    const StreamKey key = {1, id};
    ASSERT_TRUE(loop.Open(key, {}, {.whole_file = id % 2 == 0}).ok());
    open.push_back(key);
    const int64_t n = Between(codec.random, 1, 12);
    loop.Push(key, {.frames = Part(frames, 0, n), .last = id % 3 == 0});
    if (id % 5 == 0 && loop.Find(open[0]) != nullptr) {  // early, or beyond the turn's end
      loop.Push(open[0], {.first = 14, .frames = Part(frames, 14, 16)});
    }
    loop.Step();
    if (id % 7 == 0 && loop.Find(key) != nullptr) loop.Resume(key, 0, 1, 0);
    loop.Step();
  }
  const int64_t grown = ResidentBytes() - before;
  EXPECT_LT(grown, kAllowed);
  EXPECT_GT(sink.frames, kStreams);
  EXPECT_GT(sink.failed, 0u);
  std::printf("%zu frames, %zu streams failed, resident memory grew by %ld bytes\n", sink.frames,
              sink.failed, grown);
}

// state_bytes (DacDecoder documents what is in it, its test checks the formula) is what a slot
// takes, and a slab has no more.
TEST(DacStreamsTest, ASlotTakesItsStateAndNoMore) {
  SmallCodec codec(4);
  const auto decoder = Load(codec.checkpoint, 1);
  const auto dac = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
  EXPECT_EQ(decoder->state_bytes(), dac->state_bytes());
  EXPECT_EQ(static_cast<int64_t>(dac->NewSlab(5).nbytes()), 5 * decoder->state_bytes());
}

}  // namespace
}  // namespace shoal::vocoder
