// Whatever happens to streams between their steps - others join and leave their batches, they are
// saved, restored, moved, taken back or rebuilt from codes - they sound as decoded alone and at
// once.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "tests/common/codec/small_codec.h"

namespace shoal::vocoder {
namespace {

using codec::DacDecoder;
using model::ProductMode;
using testing::Between;
using testing::DecodeAtOnce;
using testing::Largest;
using testing::SmallCodec;

constexpr int64_t kSlots = 6;
constexpr int64_t kFrames = 40;

struct Precision {
  at::ScalarType dtype;
  ProductMode mode;
  double tolerance;  // 0: not a bit
};

class Mixer {
 public:
  Mixer(uint32_t seed, Precision precision)
      : codec_(seed),
        precision_(precision),
        decoder_(codec_.Decoder(precision.dtype, precision.mode)),
        slab_(decoder_->NewSlab(kSlots)) {
    slab_.fill_(std::numeric_limits<double>::quiet_NaN());  // whatever earlier streams left
  }

  void Run(int64_t streams) {
    for (int64_t finished = 0; finished < streams;) {
      while (live_.size() < kSlots - 1 && opened_ < streams) Join();
      Disturb(live_[Pick(live_.size())]);
      finished += Step();
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
  }

 private:
  struct Stream {
    int64_t slot;
    at::Tensor codes;     // (frames, num_codebooks)
    at::Tensor expected;  // samples
    at::Tensor heard;
    int64_t frame = 0;
    at::Tensor saved = {};  // its state at saved_frame
    int64_t saved_frame = 0;
  };

  size_t Pick(size_t n) { return Between(codec_.random, 0, static_cast<int64_t>(n) - 1); }

  int64_t FreeSlot() {
    std::vector<int64_t> free;
    for (int64_t slot = 0; slot < kSlots; ++slot) {
      if (std::none_of(live_.begin(), live_.end(),
                       [slot](const Stream& stream) { return stream.slot == slot; })) {
        free.push_back(slot);
      }
    }
    return free[Pick(free.size())];
  }

  void Join() {
    const int64_t slot = FreeSlot();
    decoder_->Reset(slab_, slot);
    const at::Tensor codes = codec_.Codes(Between(codec_.random, 1, kFrames));
    const at::Tensor expected = DecodeAtOnce(*decoder_, codes);
    live_.push_back({slot, codes, expected, at::zeros_like(expected)});
    ++opened_;
  }

  void Disturb(Stream& stream) {
    switch (Between(codec_.random, 0, 5)) {
      case 0:  // save
        stream.saved = slab_[stream.slot].clone();
        stream.saved_frame = stream.frame;
        break;
      case 1:  // take back to where it was saved, in another slot
        if (!stream.saved.defined()) break;
        Leave(stream);
        slab_[stream.slot].copy_(stream.saved);
        stream.frame = stream.saved_frame;
        break;
      case 2: {  // move
        const at::Tensor row = slab_[stream.slot].clone();
        Leave(stream);
        slab_[stream.slot].copy_(row);
        break;
      }
      case 3: {  // lost, and rebuilt from codes
        Leave(stream);
        const int64_t begin = stream.frame - std::min(stream.frame, decoder_->replay_frames());
        decoder_->Seek(slab_, stream.slot, begin);
        if (begin == stream.frame) break;
        ASSERT_TRUE(
            decoder_
                ->Replay(slab_, stream.slot, stream.codes.narrow(0, begin, stream.frame - begin), 0)
                .ok());
        break;
      }
      default:
        break;
    }
  }

  // To a free slot, leaving nothing behind.
  void Leave(Stream& stream) {
    const int64_t slot = FreeSlot();
    slab_[stream.slot].fill_(std::numeric_limits<double>::quiet_NaN());
    stream.slot = slot;
  }

  // Some streams take a step together. Returns how many came to their end.
  int64_t Step() {
    std::shuffle(live_.begin(), live_.end(), codec_.random);
    const int64_t batch = 1 + static_cast<int64_t>(Pick(live_.size()));
    int64_t n = Between(codec_.random, 1, 8);
    for (int64_t i = 0; i < batch; ++i) {
      n = std::min(n, live_[i].codes.size(0) - live_[i].frame);
    }
    std::vector<int64_t> slots;
    std::vector<at::Tensor> codes;
    for (int64_t i = 0; i < batch; ++i) {
      slots.push_back(live_[i].slot);
      codes.push_back(live_[i].codes.narrow(0, live_[i].frame, n));
    }
    const auto samples = decoder_->Step(slab_, slots, at::stack(codes));
    if (!samples.ok()) {
      ADD_FAILURE() << samples.status();
      return 0;
    }
    int64_t finished = 0;
    const int64_t length = decoder_->frame_length();
    for (int64_t i = batch - 1; i >= 0; --i) {
      Stream& stream = live_[i];
      stream.heard.narrow(0, stream.frame * length, n * length).copy_((*samples)[i]);
      stream.frame += n;
      EXPECT_EQ(decoder_->Position(slab_, stream.slot), stream.frame);
      if (stream.frame < stream.codes.size(0)) continue;
      Check(stream);
      live_.erase(live_.begin() + i);
      ++finished;
    }
    return finished;
  }

  void Check(const Stream& stream) const {
    if (precision_.tolerance == 0) {
      EXPECT_TRUE(stream.heard.equal(stream.expected));
    } else {
      EXPECT_LT(Largest(stream.heard - stream.expected), precision_.tolerance);
    }
  }

  SmallCodec codec_;
  const Precision precision_;
  const std::unique_ptr<const DacDecoder> decoder_;
  at::Tensor slab_;
  std::vector<Stream> live_;
  int64_t opened_ = 0;
};

TEST(DecoderPropertyTest, DeterministicStreamsDifferInNoBit) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    Mixer(seed, {at::kFloat, ProductMode::kDeterministic, 0}).Run(25);
  }
}

TEST(DecoderPropertyTest, FastStreamsDifferByRoundingOnly) {
  for (uint32_t seed = 20; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Mixer(seed, {at::kFloat, ProductMode::kFast, 5e-5}).Run(25);
  }
}

TEST(DecoderPropertyTest, TheLogicIsExact) {
  for (uint32_t seed = 40; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Mixer(seed, {at::kDouble, ProductMode::kFast, 1e-10}).Run(25);
  }
}

}  // namespace
}  // namespace shoal::vocoder
