#include "services/ar_engine/policy/model_executor.h"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr int32_t kSemanticStart = 100;

// Keeps what it is given, and answers as it is told.
class ScriptedModel final : public StepModel {
 public:
  struct Chunk {
    std::vector<int32_t> token_ids, codes, history;
    int start;
    uint32_t frame;
    bool draws;
    int drawn_by;
  };

  absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) override {
    std::unique_lock<std::mutex> lock(mutex_);
    steps_.emplace_back();
    for (const SequenceChunk& chunk : chunks) {
      steps_.back().push_back({{chunk.token_ids.begin(), chunk.token_ids.end()},
                               {chunk.codes.begin(), chunk.codes.end()},
                               {chunk.history.begin(), chunk.history.end()},
                               chunk.start,
                               chunk.frame,
                               chunk.sampling != nullptr,
                               chunk.drawn_by});
    }
    changed_.notify_all();
    changed_.wait(lock, [this] { return allowed_ > 0; });
    --allowed_;
    if (!error.ok()) return std::exchange(error, absl::OkStatus());
    std::vector<DrawnFrame> drawn(chunks.size());
    for (size_t i = 0; i < chunks.size(); ++i) {
      if (chunks[i].sampling != nullptr) drawn[i] = answers.at(chunks[i].sampling->seed);
    }
    return drawn;
  }
  int num_blocks() const override { return 8; }
  int num_codebooks() const override { return 2; }
  int max_seq_len() const override { return 64; }

  void Allow(int steps) {
    std::lock_guard<std::mutex> lock(mutex_);
    allowed_ += steps;
    changed_.notify_all();
  }
  // Waits until so many steps have begun.
  void AwaitBegun(size_t steps) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return steps_.size() >= steps; });
  }
  const std::vector<std::vector<Chunk>>& steps() const { return steps_; }

  std::vector<DrawnFrame> answers;  // by seed
  absl::Status error;               // of the next step

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int allowed_ = 0;
  std::vector<std::vector<Chunk>> steps_;
};

DrawnFrame Frame(std::vector<int32_t> codes) {
  DrawnFrame frame;
  frame.drawn = true;
  frame.codes = std::move(codes);
  return frame;
}

class ModelExecutorTest : public ::testing::TestWithParam<bool> {
 protected:
  ModelExecutorTest() { model_.answers = std::vector<DrawnFrame>(8, Frame({7, 3})); }
  ~ModelExecutorTest() override { model_.Allow(100); }

  // All that a chunk points at, gone once it is launched.
  struct Sources {
    std::vector<int32_t> token_ids, codes, block_table, history;
    SamplingParams sampling;
  };
  void Launch(std::vector<SequenceChunk> chunks) { executor_.Launch(chunks); }
  SequenceChunk Prompt(Sources& sources, uint64_t seed) {
    sources = {.token_ids = {1, 2},
               .codes = {0, 0, 0, 0},
               .block_table = {5},
               .history = {},
               .sampling = {}};
    sources.sampling.seed = seed;
    SequenceChunk chunk;
    chunk.token_ids = sources.token_ids;
    chunk.codes = sources.codes;
    chunk.block_table = sources.block_table;
    chunk.sampling = &sources.sampling;
    return chunk;
  }
  SequenceChunk Next(Sources& sources, uint64_t seed, int drawn_by) {
    SequenceChunk chunk = Prompt(sources, seed);
    chunk.token_ids = {};
    chunk.codes = {};
    chunk.start = 2;
    chunk.frame = 1;
    chunk.drawn_by = drawn_by;
    return chunk;
  }

  ScriptedModel model_;
  ModelExecutor executor_{
      &model_, {.semantic_start = kSemanticStart, .threaded = GetParam(), .max_in_flight = 2}};
};

TEST_P(ModelExecutorTest, FillsInWhatTheStepBeforeHasDrawn) {
  model_.Allow(2);
  {
    Sources a, b, c;
    Launch({Prompt(a, 0), Prompt(b, 1)});
    a.token_ids = b.token_ids = {-1, -1};
    a.history = {-1};
    Launch({Next(c, 1, 1), Prompt(a, 0)});
  }
  ASSERT_TRUE(executor_.Collect().ok());
  const auto second = executor_.Collect();
  ASSERT_TRUE(second.ok());
  ASSERT_THAT(*second, SizeIs(2));
  EXPECT_THAT((*second)[0].codes, ElementsAre(7, 3));
  const auto& steps = model_.steps();
  EXPECT_THAT(steps[0][0].token_ids, ElementsAre(1, 2)) << "copied when it was launched";
  ASSERT_THAT(steps[1], SizeIs(2));
  EXPECT_THAT(steps[1][0].token_ids, ElementsAre(kSemanticStart + 7));
  EXPECT_THAT(steps[1][0].codes, ElementsAre(7, 3));
  EXPECT_THAT(steps[1][0].history, ElementsAre(7));
  EXPECT_EQ(steps[1][0].start, 2);
  EXPECT_EQ(steps[1][0].frame, 1u);
  EXPECT_EQ(steps[1][0].drawn_by, -1);
}

TEST_P(ModelExecutorTest, LeavesOutWhatEndedOrFailedOrIsUnusable) {
  model_.Allow(2);
  model_.answers[0].end = true;
  model_.answers[1] = DrawnFrame();
  model_.answers[1].status = absl::InternalError("not finite");
  model_.answers[2].codes = {5, -1};
  model_.answers[3].codes = {5};
  Sources sources[10];
  std::vector<SequenceChunk> first, second;
  for (int i = 0; i < 5; ++i) first.push_back(Prompt(sources[i], i));
  for (int i = 0; i < 5; ++i) second.push_back(Next(sources[5 + i], i, i));
  Launch(first);
  Launch(second);
  ASSERT_TRUE(executor_.Collect().ok());
  const auto drawn = executor_.Collect();
  ASSERT_TRUE(drawn.ok());
  ASSERT_THAT(*drawn, SizeIs(5));
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE((*drawn)[i].drawn);
    EXPECT_TRUE((*drawn)[i].status.ok());
  }
  EXPECT_TRUE((*drawn)[4].drawn);
  EXPECT_THAT(model_.steps()[1], SizeIs(1));
}

TEST_P(ModelExecutorTest, AFailedStepTakesWhatDependsOnItAlong) {
  model_.Allow(2);
  model_.error = absl::InternalError("out of memory");
  Sources a, b, c;
  Launch({Prompt(a, 0)});
  Launch({Next(b, 0, 0), Prompt(c, 1)});
  EXPECT_EQ(executor_.Collect().status().code(), absl::StatusCode::kInternal);
  const auto drawn = executor_.Collect();
  ASSERT_TRUE(drawn.ok());
  EXPECT_FALSE((*drawn)[0].drawn);
  EXPECT_TRUE((*drawn)[1].drawn);
}

TEST_P(ModelExecutorTest, AStepOfNothingButSkippedChunksDoesNotReachTheModel) {
  model_.Allow(1);
  model_.answers[0].end = true;
  Sources a, b;
  Launch({Prompt(a, 0)});
  Launch({Next(b, 0, 0)});
  ASSERT_TRUE(executor_.Collect().ok());
  const auto drawn = executor_.Collect();
  ASSERT_TRUE(drawn.ok());
  EXPECT_THAT(*drawn, SizeIs(1));
  EXPECT_THAT(model_.steps(), SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(Threads, ModelExecutorTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Own" : "Callers"; });

class ThreadedExecutorTest : public ModelExecutorTest {};

TEST_P(ThreadedExecutorTest, ComputesWhileTheHostDoesOtherThings) {
  Sources a, b;
  Launch({Prompt(a, 0)});
  model_.AwaitBegun(1);  // though nobody collects
  Launch({Prompt(b, 1)});
  model_.Allow(1);
  ASSERT_TRUE(executor_.Collect().ok());
  model_.AwaitBegun(2);
  model_.Allow(1);
  ASSERT_TRUE(executor_.Collect().ok());
}

TEST_P(ThreadedExecutorTest, GoesAwayWithStepsInFlight) {
  Sources a, b;
  Launch({Prompt(a, 0)});
  Launch({Prompt(b, 1)});
  model_.AwaitBegun(1);
  model_.Allow(1);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadedExecutorTest, ::testing::Values(true),
                         [](const auto&) { return "Own"; });

}  // namespace
}  // namespace shoal::engine
