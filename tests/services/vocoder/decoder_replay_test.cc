// A stream whose decoder state is gone goes on from its last codes as if nothing had been.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/common/codec/small_codec.h"

namespace shoal::vocoder {
namespace {

using codec::DacDecoder;
using model::ProductMode;
using testing::Between;
using testing::DecodeAtOnce;
using testing::DecodeInSteps;
using testing::Largest;
using testing::SmallCodec;

// Brings `slot` to frame `position` of the stream with these codes by its last `memory` frames
// before it, given in pieces.
void Rebuild(const DacDecoder& decoder, at::Tensor& slab, int64_t slot, const at::Tensor& codes,
             int64_t position, int64_t memory, const std::vector<int64_t>& pieces) {
  int64_t frame = position - std::min(position, memory);
  decoder.Seek(slab, slot, frame);
  for (const int64_t n : pieces) {
    const absl::Status status =
        decoder.Replay(slab, slot, codes.narrow(0, frame, n), position - frame - n);
    ASSERT_TRUE(status.ok()) << status;
    frame += n;
  }
  ASSERT_EQ(frame, position);
  ASSERT_EQ(decoder.Position(slab, slot), position);
}

// Nothing before the replayed frames reaches what is decoded after them.
TEST(DecoderReplayTest, OlderFramesThanReplayFramesAreNotHeard) {
  for (uint32_t seed = 0; seed < 12; ++seed) {
    SmallCodec codec(seed);
    const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
    const int64_t old = 8;
    const int64_t position = old + decoder->replay_frames();
    const at::Tensor codes = codec.Codes(position + 12);
    at::Tensor others = codes.clone();
    others.narrow(0, 0, old).copy_(codec.Codes(old));
    const auto heard = [&](const at::Tensor& stream) {
      return DecodeAtOnce(*decoder, stream)
          .narrow(0, position * decoder->frame_length(), 12 * decoder->frame_length());
    };
    EXPECT_TRUE(heard(codes).equal(heard(others))) << "seed " << seed;
  }
}

TEST(DecoderReplayTest, GoesOnToTheSameSamplesFromAnyCut) {
  struct Case {
    at::ScalarType dtype;
    ProductMode mode;
    double tolerance;
  };
  const Case cases[] = {{at::kFloat, ProductMode::kDeterministic, 0},
                        {at::kFloat, ProductMode::kFast, 5e-5},
                        {at::kDouble, ProductMode::kFast, 1e-10}};
  for (uint32_t seed = 20; seed < 32; ++seed) {
    SmallCodec codec(seed);
    for (const Case& c : cases) {
      const auto decoder = codec.Decoder(c.dtype, c.mode);
      const int64_t memory = decoder->replay_frames();
      const int64_t frames = memory + 30;
      const at::Tensor codes = codec.Codes(frames);
      const at::Tensor whole = DecodeAtOnce(*decoder, codes);
      for (int round = 0; round < 6; ++round) {
        // Mostly behind replay_frames; now and then so early that all frames there were are given.
        const int64_t cut = round == 0 ? Between(codec.random, 0, std::min<int64_t>(memory, 20))
                                       : Between(codec.random, memory, frames - 1);
        const int64_t given = memory + Between(codec.random, 0, 5);
        at::Tensor slab = decoder->NewSlab(3);
        slab.fill_(std::numeric_limits<float>::quiet_NaN());  // whatever was there before
        Rebuild(*decoder, slab, 1, codes, cut, given,
                codec.Steps(std::min(cut, given), /*largest=*/100));
        const at::Tensor tail = DecodeInSteps(*decoder, slab, 1, codes.narrow(0, cut, frames - cut),
                                              codec.Steps(frames - cut));
        const at::Tensor expected = whole.narrow(0, cut * decoder->frame_length(), tail.size(0));
        if (c.tolerance == 0) {
          EXPECT_TRUE(tail.equal(expected)) << "seed " << seed << ", cut " << cut;
        } else {
          EXPECT_LT(Largest(tail - expected), c.tolerance) << "seed " << seed << ", cut " << cut;
        }
        EXPECT_TRUE(slab[0].isnan().all().item<bool>()) << "another slot was written";
      }
    }
  }
}

// Frames that are too few are not enough: replay_frames is no more than it has to be.
TEST(DecoderReplayTest, WithOneFrameLessSomeCodecsDiffer) {
  int differing = 0;
  for (uint32_t seed = 40; seed < 60; ++seed) {
    SmallCodec codec(seed);
    const auto decoder = codec.Decoder(at::kDouble, ProductMode::kDeterministic);
    const int64_t memory = decoder->replay_frames() - 1;
    const int64_t cut = memory + 10;
    const at::Tensor codes = codec.Codes(cut + 4);
    at::Tensor slab = decoder->NewSlab(1);
    Rebuild(*decoder, slab, 0, codes, cut, memory, {memory});
    const at::Tensor tail = DecodeInSteps(*decoder, slab, 0, codes.narrow(0, cut, 4), {4});
    const at::Tensor expected =
        DecodeAtOnce(*decoder, codes).narrow(0, cut * decoder->frame_length(), tail.size(0));
    if (!tail.equal(expected)) ++differing;
  }
  EXPECT_GE(differing, 5);
}

// Far into a stream, beyond the rows of RoPE that are kept.
TEST(DecoderReplayTest, PositionsAreAbsolute) {
  SmallCodec codec(60);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
  const int64_t cut = 4096 + decoder->replay_frames() / 2;
  const at::Tensor codes = codec.Codes(cut + 5);
  const at::Tensor whole = DecodeAtOnce(*decoder, codes);
  at::Tensor slab = decoder->NewSlab(1);
  Rebuild(*decoder, slab, 0, codes, cut, decoder->replay_frames(), {decoder->replay_frames()});
  const at::Tensor tail = DecodeInSteps(*decoder, slab, 0, codes.narrow(0, cut, 5), {2, 3});
  EXPECT_TRUE(tail.equal(whole.narrow(0, cut * decoder->frame_length(), tail.size(0))));
}

TEST(DecoderReplayTest, OnlyTheLastFramesRunThroughTheConvolutions) {
  SmallCodec codec(61);
  std::map<std::string, int64_t> rows;
  const auto decoder = codec.Decoder(
      at::kFloat, ProductMode::kFast,
      [&](absl::string_view stage, const at::Tensor& y) { rows[std::string(stage)] += y.size(1); });
  const int64_t memory = decoder->replay_frames();
  const at::Tensor codes = codec.Codes(memory + 3);
  at::Tensor slab = decoder->NewSlab(1);
  Rebuild(*decoder, slab, 0, codes, memory + 3, memory, codec.Steps(memory, /*largest=*/7));
  EXPECT_EQ(rows["decode.post_module"], memory);
  EXPECT_EQ(rows["decoder.model.0"] * codec.config.hop_length,
            decoder->convolution_frames() * decoder->frame_length());
}

// n_layer * (window - 1), and the convolutions' reach as it was counted by hand for two codecs.
TEST(DecoderReplayTest, ReplayFramesFollowFromTheSizes) {
  checkpoint::CodecConfig config = testing::DefaultSizedCodecConfig();
  config.quantizer_transformer.n_layer = 2;
  config.quantizer_transformer.window_size = 5;
  // 6; 84/8 + 1 = 12; 90/4 + 1 = 24; 102/5 + 1 = 22; 28; 34/2 = 17; 23/2 = 12, all rounded up.
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  const auto decoder = DacDecoder::Load(checkpoint, {});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  EXPECT_EQ((*decoder)->convolution_frames(), 12);
  EXPECT_EQ((*decoder)->replay_frames(), 2 * 4 + 12);
}

TEST(DecoderReplayTest, WrongCodesAreRefusedBeforeAnythingIsTouched) {
  SmallCodec codec(62);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kFast);
  at::Tensor slab = decoder->NewSlab(1);
  const int64_t codebooks = codec.config.num_codebooks();
  for (const at::Tensor& codes :
       {at::zeros({2, codebooks + 1}, at::kInt), at::zeros({0, codebooks}, at::kInt),
        at::zeros({2, codebooks}, at::kFloat)}) {
    EXPECT_EQ(decoder->Replay(slab, 0, codes, 0).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(slab.count_nonzero().item<int64_t>(), 0);
}

}  // namespace
}  // namespace shoal::vocoder
