// The codec against the reference implementation's arrays, whatever sizes the golden folder has.
#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "common/codec/dac_decoder.h"
#include "common/codec/dac_encoder.h"
#include "gtest/gtest.h"
#include "tests/support/golden.h"

namespace shoal::codec {
namespace {

using checkpoint::Checkpoint;
using model::ProductMode;
using testing::GoldenFile;

// Margins below this are decided by the noise of float32.
constexpr double kMarginNoise = 2e-5;

at::Tensor Floats(const GoldenFile& file, const std::string& name) {
  const std::vector<float> values = file.F32(name);
  return at::tensor(values).view(file.Shape(name));
}

at::Tensor Codes(const GoldenFile& file, const std::string& name) {
  const std::vector<int64_t> values = file.I64(name);
  return at::tensor(values, at::kLong).view(file.Shape(name));
}

// Mono 16 bit PCM as the golden folder holds it: the samples of the chunk called data.
at::Tensor ReadWav(const std::string& relative_path) {
  const std::string bytes = testing::GoldenText(relative_path);
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes.at(i)); };
  size_t at = 12;  // after RIFF, the size and WAVE
  size_t size = 0;
  while (true) {
    size = byte(at + 4) | byte(at + 5) << 8 | byte(at + 6) << 16 | size_t{byte(at + 7)} << 24;
    if (bytes.compare(at, 4, "data") == 0) break;
    at += 8 + size + size % 2;
  }
  std::vector<float> samples;
  for (size_t i = at + 8; i < at + 8 + size; i += 2) {
    const auto sample = static_cast<int16_t>(byte(i) | byte(i + 1) << 8);
    samples.push_back(static_cast<float>(sample) / 32768.0f);
  }
  return at::tensor(samples);
}

double Largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

// |found - expected| <= atol + rtol |expected| everywhere.
void ExpectClose(const at::Tensor& found, const at::Tensor& expected, double atol, double rtol,
                 const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LE(((found - expected).abs() - rtol * expected.abs()).max().item<double>(), atol) << what;
}

class CodecGoldenTest : public ::testing::TestWithParam<ProductMode> {
 protected:
  void SetUp() override {
    auto opened =
        Checkpoint::Open(testing::GoldenCheckpoint(), {.transformer = false, .codec = true});
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_ = std::make_unique<Checkpoint>(*std::move(opened));
  }

  // Collects what every stage puts out, joined over time, as (channels, time).
  StageTap Collect() {
    return [this](absl::string_view stage, const at::Tensor& output) {
      at::Tensor& all = stages_[std::string(stage)];
      const at::Tensor part = output[0].t().clone();
      all = all.defined() ? at::cat({all, part}, 1) : part;
    };
  }

  std::unique_ptr<const DacDecoder> Decoder(StageTap tap = nullptr) {
    auto decoder = DacDecoder::Load(*checkpoint_, {at::kFloat, GetParam(), std::move(tap)});
    EXPECT_TRUE(decoder.ok()) << decoder.status();
    return *std::move(decoder);
  }
  std::unique_ptr<const DacEncoder> Encoder(StageTap tap = nullptr) {
    auto encoder = DacEncoder::Load(*checkpoint_, {at::kFloat, GetParam(), std::move(tap)});
    EXPECT_TRUE(encoder.ok()) << encoder.status();
    return *std::move(encoder);
  }

  std::unique_ptr<Checkpoint> checkpoint_;
  std::map<std::string, at::Tensor> stages_;
};

// codes: (num_codebooks, frames) -> (frames * frame_length)
at::Tensor DecodeAtOnce(const DacDecoder& decoder, const at::Tensor& codes) {
  at::Tensor slab = decoder.NewSlab(1);
  const auto samples = decoder.Step(slab, {0}, codes.t().unsqueeze(0));
  EXPECT_TRUE(samples.ok()) << samples.status();
  return (*samples)[0];
}

TEST_P(CodecGoldenTest, EveryStageOfEncodingAndDecoding) {
  const std::string path = "codec/stages.safetensors";
  const GoldenFile file(path);
  const double atol = testing::GoldenTolerance(path, {"atol"});
  const double rtol = testing::GoldenTolerance(path, {"rtol"});
  const at::Tensor codes = Codes(file, "codes");
  const auto encoder = Encoder(Collect());
  const auto encoded = encoder->Encode(Floats(file, "samples"));
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_TRUE(encoded->equal(codes));
  DecodeAtOnce(*Decoder(Collect()), codes);

  // The quantizer's inside, stage by stage from its input and the golden codes.
  at::Tensor rest = stages_["pre_module"].t().contiguous();
  std::vector<at::Tensor> latents = {at::zeros({0, rest.size(0)})};  // of the residual codebooks
  at::Tensor residual = at::zeros_like(rest);
  for (int64_t codebook = 0; codebook < encoder->num_codebooks(); ++codebook) {
    const VectorQuantizer& quantizer = encoder->quantizer().quantizer(codebook);
    if (codebook > 0) latents.push_back(quantizer.Project(rest).t());
    const at::Tensor decoded = quantizer.Decode(codes[codebook]);
    rest = rest - decoded;
    if (codebook == 0) {
      stages_["semantic_z"] = decoded.t();
    } else {
      residual += decoded;
    }
  }
  stages_["residual_z"] = residual.t();
  stages_["residual_latents"] = at::cat(latents);

  int compared = 0;
  for (const std::string& name : file.names()) {
    if (name == "codes" || name == "samples") continue;
    ASSERT_TRUE(stages_.count(name)) << "no stage is called " << name;
    ExpectClose(stages_[name], Floats(file, name), atol, rtol, name);
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_P(CodecGoldenTest, CodesAndWaveformsOfRecordings) {
  const auto encoder = Encoder();
  const auto decoder = Decoder();
  const std::vector<std::string> wavs = testing::GoldenFiles("codec/", ".wav");
  ASSERT_FALSE(wavs.empty());
  for (const std::string& wav : wavs) {
    const std::string path = wav.substr(0, wav.size() - 4) + ".safetensors";
    const GoldenFile file(path);
    const at::Tensor codes = Codes(file, "codes");
    const at::Tensor margin = Floats(file, "vq_margin");
    const auto found = encoder->Encode(ReadWav(wav));
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->sizes(), codes.sizes()) << wav;
    for (int64_t frame = 0; frame < codes.size(1); ++frame) {
      for (int64_t codebook = 0; codebook < codes.size(0); ++codebook) {
        // Past a choice that noise decides, the residual is another one.
        if (margin[codebook][frame].item<double>() < kMarginNoise) break;
        EXPECT_EQ((*found)[codebook][frame].item<int64_t>(), codes[codebook][frame].item<int64_t>())
            << wav << " codebook " << codebook << " frame " << frame;
      }
    }
    ExpectClose(DecodeAtOnce(*decoder, codes), Floats(file, "waveform"),
                testing::GoldenTolerance(path, {"waveform", "atol"}), 0, wav);
  }
}

TEST_P(CodecGoldenTest, FirstFramesOfCodesInOneShotAndInSteps) {
  const std::string path = "codec/lengths.safetensors";
  const GoldenFile file(path);
  const double atol = testing::GoldenTolerance(path, {"atol"});
  const at::Tensor codes = Codes(file, "codes");
  const auto decoder = Decoder();
  std::mt19937 random(1);
  int compared = 0;
  for (const std::string& name : file.names()) {
    if (name.rfind("waveform.", 0) != 0) continue;
    const int64_t frames = std::stoll(name.substr(9));
    const at::Tensor expected = Floats(file, name);
    const at::Tensor some = codes.narrow(1, 0, frames);
    const at::Tensor whole = DecodeAtOnce(*decoder, some);
    ExpectClose(whole, expected, atol, 0, name);

    at::Tensor slab = decoder->NewSlab(1);
    std::vector<at::Tensor> parts;
    for (int64_t frame = 0; frame < frames;) {
      const int64_t n =
          std::min<int64_t>(frames - frame, std::uniform_int_distribution<int64_t>(1, 8)(random));
      const auto samples = decoder->Step(slab, {0}, some.narrow(1, frame, n).t().unsqueeze(0));
      ASSERT_TRUE(samples.ok()) << samples.status();
      parts.push_back((*samples)[0]);
      frame += n;
    }
    const at::Tensor steps = at::cat(parts);
    EXPECT_LE(Largest(steps - whole), GetParam() == ProductMode::kDeterministic ? 0 : atol) << name;
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, CodecGoldenTest,
                         ::testing::Values(ProductMode::kFast, ProductMode::kDeterministic),
                         [](const auto& mode) {
                           return mode.param == ProductMode::kFast ? "Fast" : "Deterministic";
                         });

}  // namespace
}  // namespace shoal::codec
