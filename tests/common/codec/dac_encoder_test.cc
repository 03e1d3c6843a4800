#include "common/codec/dac_encoder.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/common/codec/random_codec.h"
#include "tests/common/codec/reference_codec.h"

namespace shoal::codec {
namespace {

using model::ProductMode;
using testing::Between;
using ::testing::HasSubstr;

// A tone with noise.
at::Tensor Signal(std::mt19937& random, int64_t length) {
  std::normal_distribution<float> noise(0, 0.1f);
  at::Tensor samples = at::empty({length}, at::kFloat);
  for (int64_t i = 0; i < length; ++i) {
    samples.mutable_data_ptr<float>()[i] = 0.4f * std::sin(0.03f * i) + noise(random);
  }
  return samples;
}

TEST(DacEncoderTest, EqualsTheWholeSignalReference) {
  std::mt19937 random(1);
  for (uint32_t seed = 0; seed < 13; ++seed) {
    // The last is large enough for its work to be cut into pieces.
    const checkpoint::CodecConfig config =
        seed < 12 ? testing::RandomCodecConfig(random) : testing::DefaultSizedCodecConfig();
    const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, seed);
    std::vector<at::Tensor> parts;
    DacEncoder::Options options{at::kDouble, ProductMode::kDeterministic, nullptr};
    options.tap = [&](absl::string_view stage, const at::Tensor& output) {
      if (stage == "pre_module") parts.push_back(output[0].t());
    };
    const auto encoder = DacEncoder::Load(checkpoint, options);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    const at::Tensor samples = Signal(random, Between(random, 1, 80 * config.frame_length));
    const auto codes = (*encoder)->Encode(samples);
    ASSERT_TRUE(codes.ok()) << codes.status();
    const testing::ReferenceCodec reference(checkpoint.codec_weights(), config);
    const at::Tensor latents = reference.Latents(samples);
    const at::Tensor found = at::cat(parts, 1);
    ASSERT_EQ(found.sizes(), latents.sizes());
    EXPECT_LT((found - latents).abs().max().item<double>(), 1e-9) << "seed " << seed;
    EXPECT_TRUE(codes->equal(reference.Quantize(found))) << "seed " << seed;
  }
}

TEST(DacEncoderTest, LaterSamplesChangeNoEarlierCode) {
  std::mt19937 random(2);
  const checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  const auto encoder = DacEncoder::Load(checkpoint, {.mode = ProductMode::kDeterministic});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const at::Tensor samples = Signal(random, 100 * config.frame_length);
  const auto all = (*encoder)->Encode(samples);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(1), 100);
  for (const int64_t frames : {1, 31, 32, 33, 64, 99}) {
    const auto some = (*encoder)->Encode(samples.narrow(0, 0, frames * config.frame_length));
    ASSERT_TRUE(some.ok()) << some.status();
    EXPECT_TRUE(some->equal(all->narrow(1, 0, frames))) << frames;
  }
}

// 20 codecs of random sizes, each cut in many ways: the codes are the same bits.
TEST(DacEncoderTest, CodesDoNotDependOnTheBlocks) {
  std::mt19937 random(5);
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
    const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, seed);
    const int64_t frames = Between(random, 1, 90);
    const at::Tensor samples =
        Signal(random, frames * config.frame_length - Between(random, 0, config.frame_length - 1));
    const auto encode = [&](int64_t block_frames) {
      const auto encoder = DacEncoder::Load(
          checkpoint, {.mode = ProductMode::kDeterministic, .block_frames = block_frames});
      EXPECT_TRUE(encoder.ok()) << encoder.status();
      const auto codes = (*encoder)->Encode(samples);
      EXPECT_TRUE(codes.ok()) << codes.status();
      return *codes;
    };
    const at::Tensor whole = encode(frames);
    ASSERT_EQ(whole.size(1), frames);
    for (const int64_t block : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{7}, int64_t{32},
                                Between(random, 1, frames), frames + 5}) {
      EXPECT_TRUE(encode(block).equal(whole)) << "seed " << seed << " block " << block;
    }
  }
}

TEST(DacEncoderTest, TheWatchSeesEveryBlockAndCanStop) {
  std::mt19937 random(6);
  const checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  int passes = 0;
  DacEncoder::Options options;
  options.block_frames = 8;
  options.tap = [&](absl::string_view stage, const at::Tensor&) {
    passes += stage == "pre_module";
  };
  const auto encoder = DacEncoder::Load(checkpoint, options);
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const at::Tensor samples = Signal(random, 21 * config.frame_length);
  std::vector<std::pair<int64_t, int64_t>> seen;
  const auto until = [&](int64_t stop) {
    return [&seen, stop](int64_t done, int64_t total) {
      seen.emplace_back(done, total);
      return done < stop;
    };
  };
  EXPECT_TRUE((*encoder)->Encode(samples, until(100)).ok());
  EXPECT_THAT(seen, ::testing::ElementsAre(std::pair(8, 21), std::pair(16, 21), std::pair(21, 21)));
  seen.clear();
  passes = 0;
  EXPECT_EQ((*encoder)->Encode(samples, until(1)).status().code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(seen, ::testing::ElementsAre(std::pair(8, 21)));
  EXPECT_EQ(passes, 1);
}

int64_t ResidentBytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// What the stages make of four minutes at once would fill hundreds of megabytes.
TEST(DacEncoderTest, MemoryDoesNotGrowWithTheLength) {
  std::mt19937 random(7);
  checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
  config.encoder_dim = 1;
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  const auto encoder = DacEncoder::Load(checkpoint, {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const int64_t frames = 4'000'000 / config.frame_length;
  const at::Tensor samples = Signal(random, frames * config.frame_length);
  int64_t early = 0, late = 0;
  const auto codes = (*encoder)->Encode(samples, [&](int64_t done, int64_t total) {
    if (early == 0 && done >= 320) early = ResidentBytes();
    if (done == total) late = ResidentBytes();
    return true;
  });
  ASSERT_TRUE(codes.ok()) << codes.status();
  // The codes themselves are touched as they come.
  EXPECT_LT(late - early, static_cast<int64_t>(codes->nbytes()) + (4 << 20));
}

TEST(DacEncoderTest, AnyLengthIsPaddedToWholeFrames) {
  std::mt19937 random(3);
  checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  const auto encoder = DacEncoder::Load(checkpoint, {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const int64_t frame = config.frame_length;
  for (const int64_t length : {int64_t{1}, frame, frame + 1, 3 * frame + 1}) {
    const at::Tensor samples = Signal(random, length);
    const int64_t frames = (length + frame - 1) / frame;
    const auto codes = (*encoder)->Encode(samples);
    const auto padded =
        (*encoder)->Encode(at::constant_pad_nd(samples, {0, frames * frame - length}));
    ASSERT_TRUE(codes.ok() && padded.ok());
    EXPECT_EQ(codes->sizes(), (std::vector<int64_t>{config.num_codebooks(), frames}));
    EXPECT_TRUE(codes->equal(*padded));
  }
}

TEST(DacEncoderTest, WrongSamplesAreRefused) {
  std::mt19937 random(4);
  const checkpoint::Checkpoint checkpoint =
      testing::RandomCodec(testing::RandomCodecConfig(random), 1);
  const auto encoder = DacEncoder::Load(checkpoint, {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto refused = [&](const at::Tensor& samples, const char* what) {
    const auto codes = (*encoder)->Encode(samples);
    EXPECT_EQ(codes.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(codes.status().message()), HasSubstr(what));
  };
  refused(at::empty({0}), "1 or more");
  refused(at::zeros({2, 2}), "one axis");
  refused(at::zeros({5}, at::kLong), "Long");
  at::Tensor samples = at::zeros({1000});
  samples[777] = NAN;
  refused(samples, "finite");
  samples[777] = -INFINITY;
  refused(samples, "finite");
}

}  // namespace
}  // namespace shoal::codec
