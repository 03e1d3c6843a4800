#include "services/ar_engine/model/model_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "tests/services/ar_engine/model/generation.h"
#include "tests/services/ar_engine/model/random_checkpoint.h"

namespace shoal::engine {
namespace {

using model::ProductMode;
using ::testing::HasSubstr;

constexpr int kBlocks = 60;
constexpr int kFrames = 14;

std::unique_ptr<ModelRunner> Load(const RandomCheckpoint& files, ProductMode mode) {
  auto model = ModelRunner::Load(files.Open(), {.num_blocks = kBlocks, .mode = mode});
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// A prompt with frames in it and a sampling of its own.
TestSequence RandomSequence(const checkpoint::ModelConfig& config, int64_t length, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](int64_t end) { return static_cast<int32_t>(random() % end); };
  TestSequence sequence;
  for (int64_t i = 0; i < length; ++i) {
    const int32_t semantic = below(config.n_semantic());
    sequence.token_ids.push_back(i % 2 == 0
                                     ? below(config.eos_token_id)
                                     : static_cast<int32_t>(config.semantic_start) + semantic);
    sequence.codes.push_back(semantic);
    for (int64_t k = 1; k < config.num_codebooks; ++k) {
      sequence.codes.push_back(below(config.audio.vocab_size));
    }
  }
  sequence.sampling.seed = seed;
  sequence.sampling.temperature = seed % 3 == 0 ? 0.0f : 1.0f;
  sequence.sampling.top_p = 0.95f;
  sequence.turn = static_cast<uint32_t>(seed % 5);
  return sequence;
}

std::vector<TestSequence> RandomSequences(const checkpoint::ModelConfig& config) {
  std::vector<TestSequence> sequences;
  const std::vector<int64_t> lengths = {3, 50, 16, 31, 1, 90};
  for (size_t i = 0; i < lengths.size(); ++i) {
    sequences.push_back(RandomSequence(config, lengths[i], 100 + i));
  }
  return sequences;
}

std::vector<std::vector<std::vector<int32_t>>> FramesOf(
    const std::vector<TestSequence>& sequences) {
  std::vector<std::vector<std::vector<int32_t>>> frames;
  for (const TestSequence& sequence : sequences) frames.push_back(sequence.frames);
  return frames;
}

class ModelRunnerTest : public ::testing::TestWithParam<ProductMode> {
 protected:
  void Run(std::vector<TestSequence>& sequences, int chunk, uint64_t seed) {
    ShareBlocks(sequences, kFrames, kBlocks, seed);
    Generate(*model_, sequences, {config_.semantic_start, kFrames, chunk});
  }

  const checkpoint::ModelConfig config_ = SmallConfig();
  const RandomCheckpoint files_{config_, {.seed = 11}};
  std::unique_ptr<ModelRunner> model_ = Load(files_, GetParam());
};

TEST_P(ModelRunnerTest, TellsItsSizes) {
  EXPECT_EQ(model_->num_blocks(), kBlocks);
  EXPECT_EQ(model_->num_codebooks(), config_.num_codebooks);
  EXPECT_EQ(model_->max_seq_len(), config_.text.max_seq_len);
  EXPECT_EQ(ModelRunner::BlockBytes(config_), 2 * 2 * 2 * 16 * 12 * 4);
}

TEST_P(ModelRunnerTest, DrawsWholeFramesInRange) {
  std::vector<TestSequence> sequences = RandomSequences(config_);
  Run(sequences, 1 << 20, 1);
  size_t frames = 0;
  for (const TestSequence& sequence : sequences) {
    for (const std::vector<int32_t>& frame : sequence.frames) {
      ++frames;
      ASSERT_EQ(static_cast<int64_t>(frame.size()), config_.num_codebooks);
      EXPECT_GE(*std::min_element(frame.begin(), frame.end()), 0);
      EXPECT_LT(frame[0], config_.n_semantic());
      EXPECT_LT(*std::max_element(frame.begin(), frame.end()), config_.audio.vocab_size);
    }
  }
  EXPECT_GT(frames, 0u);
}

TEST_P(ModelRunnerTest, PromptWithoutDrawGivesNoFrame) {
  TestSequence sequence = RandomSequence(config_, 20, 3);
  const std::vector<int32_t> table = {5, 7};
  SequenceChunk chunk;
  chunk.token_ids = sequence.token_ids;
  chunk.codes = sequence.codes;
  chunk.block_table = table;
  const auto drawn = model_->Step({chunk});
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  ASSERT_EQ(drawn->size(), 1u);
  EXPECT_FALSE((*drawn)[0].drawn);
  EXPECT_TRUE((*drawn)[0].status.ok());
}

TEST_P(ModelRunnerTest, EmptyStepIsNoError) {
  const auto drawn = model_->Step({});
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_TRUE(drawn->empty());
}

TEST_P(ModelRunnerTest, RefusedStepLeavesTheModelUsable) {
  TestSequence sequence = RandomSequence(config_, 4, 3);
  SequenceChunk chunk;
  chunk.token_ids = sequence.token_ids;
  chunk.codes = sequence.codes;
  EXPECT_EQ(model_->Step({chunk}).status().code(), absl::StatusCode::kInvalidArgument);
  std::vector<TestSequence> sequences = RandomSequences(config_);
  Run(sequences, 1 << 20, 1);
  EXPECT_FALSE(sequences[0].frames.empty() && !sequences[0].ended);
}

INSTANTIATE_TEST_SUITE_P(Modes, ModelRunnerTest,
                         ::testing::Values(ProductMode::kFast, ProductMode::kDeterministic));

class DeterministicRunnerTest : public ModelRunnerTest {};

TEST_P(DeterministicRunnerTest, FramesDoNotDependOnTheBatchTheChunksOrTheBlocks) {
  std::vector<TestSequence> together = RandomSequences(config_);
  Run(together, 1 << 20, 1);
  for (size_t i = 0; i < together.size(); ++i) {
    std::vector<TestSequence> alone = {RandomSequences(config_)[i]};
    Run(alone, 1 << 20, 40 + i);
    EXPECT_EQ(alone[0].frames, together[i].frames) << "sequence " << i;
  }
  for (const int chunk : {1, 7, 16}) {
    std::vector<TestSequence> reversed = RandomSequences(config_);
    std::reverse(reversed.begin(), reversed.end());
    Run(reversed, chunk, 2);
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(FramesOf(reversed), FramesOf(together)) << "chunk " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Deterministic, DeterministicRunnerTest,
                         ::testing::Values(ProductMode::kDeterministic));

TEST(ModelRunnerLoadTest, OneCodebookNeedsNoFastDecoder) {
  checkpoint::ModelConfig config = SmallConfig();
  config.num_codebooks = 1;
  const RandomCheckpoint files(config);
  const auto model = Load(files, ProductMode::kFast);
  std::vector<TestSequence> sequences = RandomSequences(config);
  ShareBlocks(sequences, kFrames, kBlocks, 1);
  Generate(*model, sequences, {config.semantic_start, kFrames, 10});
  for (const TestSequence& sequence : sequences) {
    EXPECT_TRUE(sequence.ended || static_cast<int>(sequence.frames.size()) == kFrames);
  }
}

TEST(ModelRunnerLoadTest, UnusableOptionsAreRefused) {
  const RandomCheckpoint files(SmallConfig());
  const auto model = ModelRunner::Load(files.Open(), {.num_blocks = 0});
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(model.status().ToString(), HasSubstr("KV blocks"));
}

TEST(ModelRunnerNotFiniteTest, OnlyTheSequenceItselfIsLost) {
  const checkpoint::ModelConfig config = SmallConfig();
  // A weight of NaN in one token's embedding reaches the logits of sequences that hold the token.
  const RandomCheckpoint files(config, {.seed = 11, .nan_token = 5});
  const auto model = Load(files, ProductMode::kDeterministic);
  TestSequence good = RandomSequence(config, 4, 6);
  std::replace(good.token_ids.begin(), good.token_ids.end(), 5, 6);
  TestSequence bad = good;
  bad.token_ids[2] = 5;
  const auto chunk_of = [](const TestSequence& sequence, const std::vector<int32_t>& table) {
    SequenceChunk chunk;
    chunk.token_ids = sequence.token_ids;
    chunk.codes = sequence.codes;
    chunk.block_table = table;
    chunk.sampling = &sequence.sampling;
    return chunk;
  };
  const std::vector<int32_t> tables[] = {{1}, {2}};
  const auto drawn = model->Step({chunk_of(bad, tables[0]), chunk_of(good, tables[1])});
  ASSERT_TRUE(drawn.ok()) << drawn.status();
  EXPECT_FALSE((*drawn)[0].status.ok());
  EXPECT_FALSE((*drawn)[0].drawn);
  EXPECT_TRUE((*drawn)[1].status.ok());
  EXPECT_TRUE((*drawn)[1].drawn);
}

}  // namespace
}  // namespace shoal::engine
