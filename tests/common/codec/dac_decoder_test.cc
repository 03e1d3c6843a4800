#include "common/codec/dac_decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/codec/random_codec.h"
#include "tests/common/codec/reference_codec.h"
#include "tests/common/codec/small_codec.h"

namespace shoal::codec {
namespace {

using checkpoint::Checkpoint;
using checkpoint::CodecConfig;
using model::ProductMode;
using testing::Between;
using testing::DecodeAtOnce;
using testing::DecodeInSteps;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Largest;
using testing::SmallCodec;

TEST(DacDecoderTest, EqualsTheWholeSignalReferenceOnRandomCodecs) {
  for (uint32_t seed = 0; seed < 12; ++seed) {
    SmallCodec codec(seed);
    const at::Tensor codes = codec.Codes(20, at::kLong);
    const at::Tensor expected =
        testing::ReferenceCodec(codec.checkpoint.codec_weights(), codec.config).Decode(codes);
    EXPECT_GT(Largest(expected), 1e-2) << "the random codec is silent, seed " << seed;
    for (const ProductMode mode : {ProductMode::kFast, ProductMode::kDeterministic}) {
      const at::Tensor exact = DecodeAtOnce(*codec.Decoder(at::kDouble, mode), codes);
      ASSERT_EQ(exact.sizes(), expected.sizes());
      EXPECT_LT(Largest(exact - expected), 1e-10) << "seed " << seed;
      const at::Tensor samples = DecodeAtOnce(*codec.Decoder(at::kFloat, mode), codes);
      EXPECT_LT(Largest(samples - expected), 1e-4) << "seed " << seed;
    }
  }
}

// Every split of 6 frames: all 32 of them.
TEST(DacDecoderTest, EverySplitOfAFewFramesEqualsOneShot) {
  SmallCodec codec(100);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
  const at::Tensor codes = codec.Codes(6, at::kLong);
  const at::Tensor expected = DecodeAtOnce(*decoder, codes);
  for (int cuts = 0; cuts < 32; ++cuts) {
    std::vector<int64_t> steps = {1};
    for (int i = 0; i < 5; ++i) {
      if (cuts >> i & 1) {
        steps.push_back(1);
      } else {
        ++steps.back();
      }
    }
    at::Tensor slab = decoder->NewSlab(1);
    EXPECT_TRUE(DecodeInSteps(*decoder, slab, 0, codes, steps).equal(expected)) << "cuts " << cuts;
  }
}

TEST(DacDecoderTest, RandomSplitsEqualOneShot) {
  for (uint32_t seed = 200; seed < 210; ++seed) {
    SmallCodec codec(seed);
    const at::Tensor codes = codec.Codes(150, at::kLong);  // more than one pass
    const auto exact = codec.Decoder(at::kDouble, ProductMode::kFast);
    const auto production = codec.Decoder(at::kFloat, ProductMode::kFast);
    const auto deterministic = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
    const at::Tensor exact_whole = DecodeAtOnce(*exact, codes);
    const at::Tensor production_whole = DecodeAtOnce(*production, codes);
    const at::Tensor deterministic_whole = DecodeAtOnce(*deterministic, codes);
    for (int i = 0; i < 3; ++i) {
      const std::vector<int64_t> steps = codec.Steps(codes.size(0));
      at::Tensor slab = exact->NewSlab(1);
      EXPECT_LT(Largest(DecodeInSteps(*exact, slab, 0, codes, steps) - exact_whole), 1e-10);
      slab = production->NewSlab(1);
      EXPECT_LT(Largest(DecodeInSteps(*production, slab, 0, codes, steps) - production_whole),
                5e-5);
      slab = deterministic->NewSlab(1);
      EXPECT_TRUE(DecodeInSteps(*deterministic, slab, 0, codes, steps).equal(deterministic_whole));
    }
  }
}

// Streams begin, end, are saved, moved and restored, in batches of whatever slots are in use.
TEST(DacDecoderTest, StreamsThatShareBatchesEqualEachAlone) {
  constexpr int64_t kSlots = 6;
  constexpr int64_t kFrames = 30;
  struct Stream {
    int64_t slot;
    at::Tensor codes;
    at::Tensor expected;
    std::vector<at::Tensor> parts;
    int64_t frame = 0;
  };
  for (uint32_t seed = 300; seed < 306; ++seed) {
    SmallCodec codec(seed);
    const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
    at::Tensor slab = decoder->NewSlab(kSlots);
    slab.fill_(NAN);  // whatever earlier streams left
    std::vector<Stream> streams;
    std::vector<bool> used(kSlots, false);
    int64_t finished = 0;
    const auto begin_stream = [&] {
      int64_t slot = Between(codec.random, 0, kSlots - 1);
      while (used[slot]) slot = (slot + 1) % kSlots;
      used[slot] = true;
      decoder->Reset(slab, slot);
      const at::Tensor codes = codec.Codes(Between(codec.random, 1, kFrames), at::kLong);
      streams.push_back({slot, codes, DecodeAtOnce(*decoder, codes), {}, 0});
    };
    const auto move_stream = [&](Stream& stream) {
      const at::Tensor saved = slab[stream.slot].clone();
      slab[stream.slot].fill_(NAN);
      int64_t free = Between(codec.random, 0, kSlots - 1);
      while (used[free] && free != stream.slot) free = (free + 1) % kSlots;
      used[stream.slot] = false;
      used[free] = true;
      stream.slot = free;
      slab[free].copy_(saved);
    };
    while (finished < 12) {
      while (streams.size() < kSlots - 1) begin_stream();
      if (Between(codec.random, 0, 3) == 0) move_stream(streams[Between(codec.random, 0, 4)]);
      std::shuffle(streams.begin(), streams.end(), codec.random);
      const int64_t batch = Between(codec.random, 1, static_cast<int64_t>(streams.size()));
      int64_t n = Between(codec.random, 1, 8);
      for (int64_t i = 0; i < batch; ++i) {
        n = std::min(n, streams[i].codes.size(0) - streams[i].frame);
      }
      std::vector<int64_t> slots;
      std::vector<at::Tensor> codes;
      for (int64_t i = 0; i < batch; ++i) {
        slots.push_back(streams[i].slot);
        codes.push_back(streams[i].codes.narrow(0, streams[i].frame, n));
      }
      const at::Tensor before = slab.clone();
      const auto samples = decoder->Step(slab, slots, at::stack(codes));
      ASSERT_TRUE(samples.ok()) << samples.status();
      for (int64_t slot = 0; slot < kSlots; ++slot) {
        if (std::find(slots.begin(), slots.end(), slot) != slots.end()) continue;
        ASSERT_EQ(std::memcmp(slab[slot].const_data_ptr(), before[slot].const_data_ptr(),
                              decoder->state_bytes()),
                  0)
            << "slot " << slot << " was not named, but written";
      }
      for (int64_t i = batch - 1; i >= 0; --i) {
        Stream& stream = streams[i];
        stream.parts.push_back((*samples)[i]);
        stream.frame += n;
        ASSERT_EQ(decoder->Position(slab, stream.slot), stream.frame);
        if (stream.frame < stream.codes.size(0)) continue;
        EXPECT_TRUE(at::cat(stream.parts).equal(stream.expected)) << "seed " << seed;
        used[stream.slot] = false;
        streams.erase(streams.begin() + i);
        ++finished;
      }
    }
  }
}

// Large enough for its work to be cut into pieces and shared among threads.
TEST(DacDecoderTest, NeitherThreadsNorPiecesChangeABit) {
  constexpr int64_t kStreams = 6;
  const CodecConfig config = testing::DefaultSizedCodecConfig();
  const Checkpoint checkpoint = testing::RandomCodec(config, 1);
  const auto loaded = DacDecoder::Load(checkpoint, {.mode = ProductMode::kDeterministic});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const DacDecoder& decoder = **loaded;
  const at::Tensor codes = at::arange(kStreams * 14 * config.num_codebooks())
                               .view({kStreams, 14, -1})
                               .remainder(509)
                               .contiguous();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  std::vector<at::Tensor> alone;
  for (int64_t i = 0; i < kStreams; ++i) alone.push_back(DecodeAtOnce(decoder, codes[i]));
  at::set_num_threads(3);
  at::Tensor slab = decoder.NewSlab(kStreams);
  std::vector<at::Tensor> together;
  int64_t frame = 0;
  for (const int64_t n : {1, 2, 11}) {
    const auto samples = decoder.Step(slab, {0, 1, 2, 3, 4, 5}, codes.narrow(1, frame, n));
    ASSERT_TRUE(samples.ok()) << samples.status();
    together.push_back(*samples);
    frame += n;
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::cat(together, 1).equal(at::stack(alone)));
}

TEST(DacDecoderTest, FindingsOnSeveralThreadsAreThoseOfTheirStreams) {
  constexpr int64_t kStreams = 9;
  SmallCodec codec(350);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kFast);
  const int threads = at::get_num_threads();
  at::set_num_threads(4);
  std::vector<int64_t> slots(kStreams);
  std::iota(slots.begin(), slots.end(), 0);
  for (int64_t odd = 0; odd < kStreams; ++odd) {
    at::Tensor slab = decoder->NewSlab(kStreams);
    at::Tensor codes = at::zeros({kStreams, 2, codec.config.num_codebooks()}, at::kInt);
    codes[odd][1][0] = -5;
    StepReport report;
    ASSERT_TRUE(decoder->Step(slab, slots, codes, &report).ok());
    for (int64_t i = 0; i < kStreams; ++i) {
      EXPECT_TRUE(report.finite[i]);
      EXPECT_EQ(report.clamped[i], i == odd ? 1 : 0);
    }
    slab.select(0, odd).slice(0, 2).fill_(NAN);  // all of its state but the position
    ASSERT_TRUE(decoder->Step(slab, slots, codes, &report).ok());
    for (int64_t i = 0; i < kStreams; ++i) EXPECT_EQ(report.finite[i], i != odd) << i;
  }
  at::set_num_threads(threads);
}

TEST(DacDecoderTest, SavedAndRestoredEqualsUndisturbed) {
  SmallCodec codec(400);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
  const at::Tensor codes = codec.Codes(25, at::kLong);
  const at::Tensor expected = DecodeAtOnce(*decoder, codes);
  at::Tensor slab = decoder->NewSlab(2);
  const at::Tensor head = DecodeInSteps(*decoder, slab, 1, codes.narrow(0, 0, 11), {11});
  const at::Tensor saved = slab[1].clone();
  DecodeInSteps(*decoder, slab, 1, codec.Codes(8, at::kLong), {8});  // another continuation
  slab[0].copy_(saved);
  const at::Tensor tail = DecodeInSteps(*decoder, slab, 0, codes.narrow(0, 11, 14), {3, 11});
  EXPECT_TRUE(at::cat({head, tail}).equal(expected));
}

TEST(DacDecoderTest, NonFiniteSamplesConcernTheirStreamAlone) {
  SmallCodec codec(500);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kDeterministic);
  const at::Tensor codes = codec.Codes(4, at::kLong);
  const at::Tensor expected = DecodeAtOnce(*decoder, codes);
  at::Tensor slab = decoder->NewSlab(3);
  // The last elements of a row are the last convolution's context: samples are made of them.
  slab[1].narrow(0, slab.size(1) - 6, 6).fill_(std::numeric_limits<float>::infinity());
  const at::Tensor batch = at::stack({codes, codes, codes});
  at::Tensor twin = slab.clone();
  StepReport report;
  auto samples = decoder->Step(slab, {2, 1, 0}, batch, &report);
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_THAT(report.finite, ElementsAre(true, false, true));
  EXPECT_TRUE((*samples)[0].equal(expected));
  EXPECT_TRUE((*samples)[2].equal(expected));

  samples = decoder->Step(twin, {2, 1, 0}, batch);
  EXPECT_EQ(samples.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(samples.status().message()), HasSubstr("slots 1 "));

  decoder->Reset(slab, 1);
  EXPECT_TRUE(DecodeInSteps(*decoder, slab, 1, codes, {4}).equal(expected));
}

TEST(DacDecoderTest, ClampedCodesAreCountedPerStream) {
  SmallCodec codec(600);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kFast);
  at::Tensor codes = at::zeros({2, 3, codec.config.num_codebooks()}, at::kInt);
  codes[1][0][0] = -1;
  codes[1][2][1] = codec.config.quantizer.residual_codebook_size;
  at::Tensor slab = decoder->NewSlab(2);
  StepReport report;
  ASSERT_TRUE(decoder->Step(slab, {0, 1}, codes, &report).ok());
  EXPECT_THAT(report.clamped, ElementsAre(0, 2));
  EXPECT_THAT(report.finite, ElementsAre(true, true));
}

TEST(DacDecoderTest, WrongArgumentsAreRefusedBeforeAnythingIsTouched) {
  SmallCodec codec(700);
  const auto decoder = codec.Decoder(at::kFloat, ProductMode::kFast);
  at::Tensor slab = decoder->NewSlab(2);
  const int64_t codebooks = codec.config.num_codebooks();
  const auto refused = [&](std::vector<int64_t> slots, const at::Tensor& codes, const char* what) {
    const auto samples = decoder->Step(slab, slots, codes);
    EXPECT_EQ(samples.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(samples.status().message()), HasSubstr(what));
  };
  const at::Tensor codes = at::zeros({1, 1, codebooks}, at::kInt);
  refused({2}, codes, "slots below 2, found 2");
  refused({-1}, codes, "found -1");
  refused({1, 1}, codes.repeat({2, 1, 1}), "found 1 twice");
  refused({0, 1}, codes, "2 slots");
  refused({}, codes.narrow(0, 0, 0), "0 slots");
  refused({0}, codes.narrow(1, 0, 0), "1 or more frames");
  refused({0}, at::zeros({1, 1, codebooks + 1}, at::kInt), "codebooks");
  refused({0}, codes.to(at::kFloat), "Float");
  at::Tensor other = at::zeros({2, slab.size(1) + 1});
  EXPECT_THAT(std::string(decoder->Step(other, {0}, codes).status().message()), HasSubstr("slab"));
  EXPECT_EQ(slab.count_nonzero().item<int64_t>(), 0);
}

// The formula in dac_decoder.h, from the configuration alone.
int64_t StateBytes(const CodecConfig& config, int64_t element_bytes) {
  const auto& transformer = config.quantizer_transformer;
  int64_t elements = transformer.n_layer * 2 * (transformer.window_size - 1) * transformer.n_head *
                     transformer.head_dim;
  elements += 6 * config.quantizer.input_dim *
              static_cast<int64_t>(config.quantizer.downsample_factor.size());
  elements += 6 * config.latent_dim;
  int64_t channels = config.decoder_dim;
  for (size_t i = 0; i < config.decoder_rates.size(); ++i) {
    elements += channels + (6 + 18 + 54) * channels / 2;
    channels /= 2;
  }
  return 8 + element_bytes * (elements + 6 * channels);
}

TEST(DacDecoderTest, StateIsAsLargeAsDocumented) {
  for (uint32_t seed = 800; seed < 820; ++seed) {
    const SmallCodec codec(seed);
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      const auto decoder = codec.Decoder(dtype, ProductMode::kFast);
      const int64_t element_bytes = static_cast<int64_t>(c10::elementSize(dtype));
      EXPECT_EQ(decoder->state_bytes(), StateBytes(codec.config, element_bytes));
      EXPECT_EQ(decoder->state_bytes(), decoder->NewSlab(1).size(1) * element_bytes);
    }
  }
}

TEST(DacDecoderTest, LoadNamesAMissingTensor) {
  std::mt19937 random(900);
  CodecConfig config = testing::RandomCodecConfig(random);
  const testing::TemporaryFolder folder;
  testing::WriteRandomCodec(folder.path(), config, 1);
  config.quantizer_transformer.n_layer += 1;
  ASSERT_TRUE(checkpoint::WriteCodecConfig(folder.path(), config).ok());
  const auto opened = Checkpoint::Open(folder.path(), {.transformer = false, .codec = true});
  ASSERT_TRUE(opened.ok()) << opened.status();
  const auto decoder = DacDecoder::Load(*opened, {});
  ASSERT_FALSE(decoder.ok());
  EXPECT_THAT(std::string(decoder.status().message()), HasSubstr("quantizer.post_module.layers."));
}

}  // namespace
}  // namespace shoal::codec
