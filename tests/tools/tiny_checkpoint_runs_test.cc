// What make-tiny writes is fit for use: generation moves on, audio is neither silent nor clipped.

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "common/codec/dac_decoder.h"
#include "common/codec/dac_encoder.h"
#include "gtest/gtest.h"
#include "services/ar_engine/model/model_runner.h"
#include "tests/support/temp_dir.h"
#include "tools/make_tiny.h"

namespace shoal::tools {
namespace {

using checkpoint::Checkpoint;

struct Sizes {
  std::string name;
  TinyOptions options;
};

std::vector<Sizes> AllSizes() {
  std::vector<Sizes> sizes;
  sizes.push_back({"defaults", {}});
  TinyOptions another;
  another.seed = 7;
  sizes.push_back({"another_seed", another});
  TinyOptions other;
  other.shards = 1;
  other.untied = true;
  other.project_in = true;
  other.fast_qk_norm = true;
  other.qk_norm = false;
  other.attention_bias = true;
  other.codebooks = 4;
  other.rates = {"3", "5"};
  other.sample_rate = 16000;
  other.codec_dim = 48;
  sizes.push_back({"other_sizes", other});
  return sizes;
}

class TinyCheckpointRunsTest : public ::testing::TestWithParam<Sizes> {
 protected:
  void SetUp() override {
    const absl::Status status = MakeTinyCheckpoint(folder_.path(), GetParam().options);
    ASSERT_TRUE(status.ok()) << status;
    auto opened = Checkpoint::Open(folder_.path(), {.transformer = true, .codec = true});
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_.emplace(*std::move(opened));
  }

  shoal::testing::TempDir folder_;
  std::optional<Checkpoint> checkpoint_;
};

// Frames of one sequence after a prompt of text bytes, until eos or `most`.
std::vector<std::vector<int32_t>> Generate(const Checkpoint& checkpoint,
                                           const engine::SamplingParams& sampling, size_t most) {
  const checkpoint::ModelConfig& config = checkpoint.model_config();
  auto runner = engine::ModelRunner::Load(checkpoint, {.num_blocks = 64});
  EXPECT_TRUE(runner.ok()) << runner.status();
  if (!runner.ok()) return {};
  std::vector<int32_t> blocks(64);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::vector<int32_t> tokens = {40, 72, 65, 77, 77, 78, 32, 90, 12, 50};
  std::vector<int32_t> codes(tokens.size() * static_cast<size_t>(config.num_codebooks));
  std::vector<int32_t> history;
  std::vector<std::vector<int32_t>> frames;
  int32_t start = 0;
  while (frames.size() < most) {
    engine::SequenceChunk chunk;
    chunk.token_ids = tokens;
    chunk.codes = codes;
    chunk.block_table = blocks;
    chunk.start = start;
    chunk.sampling = &sampling;
    chunk.history = history;
    chunk.frame = static_cast<uint32_t>(frames.size());
    const auto drawn = (*runner)->Step({&chunk, 1});
    EXPECT_TRUE(drawn.ok()) << drawn.status();
    if (!drawn.ok() || !drawn->at(0).drawn || drawn->at(0).end) break;
    start += static_cast<int32_t>(tokens.size());
    codes = drawn->at(0).codes;
    tokens = {static_cast<int32_t>(config.semantic_start) + codes[0]};
    history.push_back(codes[0]);
    frames.push_back(codes);
  }
  return frames;
}

TEST_P(TinyCheckpointRunsTest, GenerationMovesOn) {
  for (const bool greedy : {true, false}) {
    engine::SamplingParams sampling;  // the authors' own settings, or greedy
    sampling.temperature = greedy ? 0 : 1;
    sampling.top_p = 0.9f;
    sampling.top_k = 30;
    sampling.seed = 5;
    sampling.residual_greedy = greedy;
    const auto frames = Generate(*checkpoint_, sampling, 60);
    std::set<int32_t> semantic;
    std::set<int32_t> last;
    for (const std::vector<int32_t>& frame : frames) {
      semantic.insert(frame.front());
      last.insert(frame.back());
    }
    EXPECT_GE(frames.size(), 5u);
    EXPECT_GT(semantic.size(), frames.size() / 4);
    EXPECT_GT(last.size(), frames.size() / 4);
  }
}

struct Loudness {
  double rms;
  double clipped;  // share of samples beyond 0.99
  double mean;
};

Loudness Measure(const at::Tensor& samples) {
  const at::Tensor x = samples.to(at::kDouble).flatten();
  return {std::sqrt(x.square().mean().item<double>()),
          x.abs().gt(0.99).to(at::kDouble).mean().item<double>(), x.mean().item<double>()};
}

// Codes of every codebook, each within its size.
at::Tensor AnyCodes(const checkpoint::CodecConfig& config, int64_t frames) {
  at::Tensor codes = at::empty({1, frames, config.num_codebooks()}, at::kLong);
  uint64_t state = 1;
  for (int64_t i = 0; i < codes.numel(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const int64_t size = i % config.num_codebooks() == 0 ? config.quantizer.semantic_codebook_size
                                                         : config.quantizer.residual_codebook_size;
    codes.data_ptr<int64_t>()[i] = static_cast<int64_t>(state >> 33) % size;
  }
  return codes;
}

TEST_P(TinyCheckpointRunsTest, AudioIsNeitherSilentNorClipped) {
  const auto decoder = codec::DacDecoder::Load(*checkpoint_, {});
  ASSERT_TRUE(decoder.ok()) << decoder.status();
  at::Tensor slab = (*decoder)->NewSlab(1);
  const at::Tensor codes = AnyCodes(checkpoint_->codec_config(), 40);
  const auto audio = (*decoder)->Step(slab, {0}, codes);
  ASSERT_TRUE(audio.ok()) << audio.status();
  const Loudness loudness = Measure(*audio);
  EXPECT_GT(loudness.rms, 0.03);
  EXPECT_LT(loudness.rms, 0.5);
  EXPECT_LT(loudness.clipped, 0.01);
  EXPECT_LT(std::abs(loudness.mean), loudness.rms);
}

TEST_P(TinyCheckpointRunsTest, SoundsEncodeToDifferentCodes) {
  const auto encoder = codec::DacEncoder::Load(*checkpoint_, {});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const checkpoint::CodecConfig& config = checkpoint_->codec_config();
  // A tone that rises and swells, at the loudness of speech.
  const int64_t samples = 50 * config.frame_length;
  const at::Tensor t = at::arange(samples, at::kDouble) / samples;
  const at::Tensor sound = (0.15 * (30 * t).sin() * (3000 * t * (1 + t)).sin()).to(at::kFloat);
  const auto codes = (*encoder)->Encode(sound);
  ASSERT_TRUE(codes.ok()) << codes.status();
  ASSERT_EQ(codes->size(1), 50);
  for (int64_t k = 0; k < codes->size(0); ++k) {
    const at::Tensor row = codes->select(0, k).contiguous();
    const std::set<int64_t> distinct(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + 50);
    EXPECT_GT(distinct.size(), 5u) << "codebook " << k;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, TinyCheckpointRunsTest, ::testing::ValuesIn(AllSizes()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace shoal::tools
