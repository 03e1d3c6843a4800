// Greedy generation by the whole model against the reference implementation's codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "services/ar_engine/model/model_runner.h"
#include "tests/services/ar_engine/model/generation.h"
#include "tests/support/golden.h"

namespace shoal::engine {
namespace {

using model::ProductMode;
using testing::GoldenFile;

// (codebooks, n) -> (n, codebooks), row-major.
std::vector<int32_t> Transposed(const std::vector<int32_t>& values, size_t codebooks) {
  const size_t n = values.size() / codebooks;
  std::vector<int32_t> out(values.size());
  for (size_t k = 0; k < codebooks; ++k) {
    for (size_t i = 0; i < n; ++i) out[i * codebooks + k] = values[k * n + i];
  }
  return out;
}

std::vector<std::vector<int32_t>> Frames(const GoldenFile& file, const std::string& name) {
  const size_t codebooks = static_cast<size_t>(file.Shape(name)[0]);
  const std::vector<int32_t> flat = Transposed(file.I32(name), codebooks);
  std::vector<std::vector<int32_t>> frames;
  for (size_t at = 0; at < flat.size(); at += codebooks) {
    frames.emplace_back(flat.begin() + static_cast<ptrdiff_t>(at),
                        flat.begin() + static_cast<ptrdiff_t>(at + codebooks));
  }
  return frames;
}

TestSequence GreedySequence(const GoldenFile& file, bool round_logits) {
  TestSequence sequence;
  sequence.token_ids = file.I32("token_ids");
  sequence.codes =
      Transposed(file.I32("prompt_codes"), static_cast<size_t>(file.Shape("prompt_codes")[0]));
  sequence.sampling.temperature = 0;
  sequence.sampling.residual_greedy = true;
  sequence.sampling.round_logits_to_bf16 = round_logits;
  return sequence;
}

class GenerationGoldenTest : public ::testing::TestWithParam<ProductMode> {
 protected:
  void SetUp() override {
    auto opened = checkpoint::Checkpoint::Open(testing::GoldenCheckpoint(), {.transformer = true});
    ASSERT_TRUE(opened.ok()) << opened.status();
    semantic_start_ = opened->model_config().semantic_start;
    int64_t prompts = 0, most_frames = 0;  // positions
    for (const std::string& path : testing::GoldenFiles("generate/", ".safetensors")) {
      const GoldenFile file(path);
      if (!file.Has("prompt_codes")) continue;
      paths_.push_back(path);
      prompts += file.Shape("token_ids")[0];
      // One position more than frames where the end was drawn.
      for (const char* name : {"codes", "codes_bf16_logits"}) {
        most_frames = std::max(most_frames, file.Shape(name)[1] + 1);
      }
    }
    // For every case twice, all at once; a last block that is not full and one for the end.
    const int64_t sequences = 2 * static_cast<int64_t>(paths_.size());
    const int num_blocks = static_cast<int>(
        (2 * prompts + sequences * most_frames) / FrameModel::kBlockPositions + 2 * sequences);
    ASSERT_FALSE(paths_.empty());
    auto model = ModelRunner::Load(*opened, {.num_blocks = num_blocks, .mode = GetParam()});
    ASSERT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
  }

  std::vector<std::vector<int32_t>> Run(const GoldenFile& file, bool round_logits, int max_frames,
                                        int chunk, bool* ended) {
    std::vector<TestSequence> sequences = {GreedySequence(file, round_logits)};
    ShareBlocks(sequences, max_frames, model_->num_blocks(), 1);
    Generate(*model_, sequences, {semantic_start_, max_frames, chunk});
    *ended = sequences[0].ended;
    return sequences[0].frames;
  }

  std::unique_ptr<ModelRunner> model_;
  int64_t semantic_start_ = 0;
  std::vector<std::string> paths_;
};

TEST_P(GenerationGoldenTest, CodesAreExact) {
  for (const std::string& path : paths_) {
    const GoldenFile file(path);
    const auto expected = Frames(file, "codes");
    // One raw token more than frames: the last one is the end, whose frame is dropped.
    const int tokens = static_cast<int>(file.I32("semantic_token").size());
    for (const int chunk : {1 << 20, 29}) {
      bool ended = false;
      EXPECT_EQ(Run(file, false, tokens, chunk, &ended), expected) << path << ", chunk " << chunk;
      EXPECT_EQ(ended, tokens > static_cast<int>(expected.size())) << path;
    }
  }
}

TEST_P(GenerationGoldenTest, CodesWithRoundedLogitsAreExact) {
  for (const std::string& path : paths_) {
    const GoldenFile file(path);
    const auto expected = Frames(file, "codes_bf16_logits");
    bool ended = false;
    EXPECT_EQ(Run(file, true, static_cast<int>(expected.size()), 1 << 20, &ended), expected)
        << path;
  }
}

TEST_P(GenerationGoldenTest, AllCasesAsOneBatch) {
  std::vector<TestSequence> sequences;
  std::vector<std::vector<std::vector<int32_t>>> expected;
  int max_frames = 0;
  for (const std::string& path : paths_) {
    const GoldenFile file(path);
    for (const bool round_logits : {false, true}) {
      sequences.push_back(GreedySequence(file, round_logits));
      expected.push_back(Frames(file, round_logits ? "codes_bf16_logits" : "codes"));
      max_frames = std::max(max_frames, static_cast<int>(expected.back().size()));
    }
  }
  ShareBlocks(sequences, max_frames, model_->num_blocks(), 2);
  Generate(*model_, sequences, {semantic_start_, max_frames, 40});
  for (size_t i = 0; i < sequences.size(); ++i) {
    // Cases may have been cut at different lengths; this one went on to the longest of all.
    std::vector<std::vector<int32_t>>& frames = sequences[i].frames;
    if (!sequences[i].ended && frames.size() > expected[i].size()) {
      frames.resize(expected[i].size());
    }
    EXPECT_EQ(frames, expected[i]) << paths_[i / 2] << ", rounded " << i % 2;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, GenerationGoldenTest,
                         ::testing::Values(ProductMode::kFast, ProductMode::kDeterministic));

}  // namespace
}  // namespace shoal::engine
