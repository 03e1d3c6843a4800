// The whole engine on real models: turns of mixed sampling settings get the codes that the model
// draws for them alone, whoever runs beside them, however prompts are cut, with and without the
// prefix cache, on a thread of the model's own or not, and when there are so few KV blocks that
// turns lose theirs and begin again.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "services/ar_engine/model/model_runner.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/model/generation.h"
#include "tests/services/ar_engine/model/mixed_turns.h"
#include "tests/services/ar_engine/model/random_checkpoint.h"
#include "tests/services/ar_engine/policy/recording_sink.h"

namespace shoal::engine {
namespace {

constexpr int kFrames = 25;
// The longest turn alone needs 10 blocks.
constexpr int kFewBlocks = 14;
constexpr int kManyBlocks = 400;

struct Serving {
  int num_blocks = kManyBlocks;
  bool prefix_cache = true;
  bool threaded = false;
  int max_in_flight = 1;
  int max_running = 16;
  int prefill_tokens = 512;
};

Request RequestOf(const TestSequence& turn, size_t index, bool whole_file) {
  Request request;
  request.stream = {.front = 1, .high = 2, .low = index};
  request.turn = turn.turn;
  request.token_ids = turn.token_ids;
  request.codes = turn.codes;
  request.prompt_length = static_cast<int32_t>(turn.token_ids.size());
  request.max_frames = kFrames;
  request.sampling = turn.sampling;
  request.priority = whole_file ? Priority::kWholeFile : Priority::kPlayback;
  request.pinned_length = index < 4 ? 50 : 0;
  request.frame_seconds = 0.04;
  return request;
}

// What a run of the engine came to, beside the codes.
struct Tally {
  uint64_t preemptions = 0;
  int cached_positions = 0;
};

class EngineReproducibilityTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  std::unique_ptr<ModelRunner> Load(int num_blocks) const {
    auto model = ModelRunner::Load(
        files_.Open(), {.num_blocks = num_blocks, .mode = model::ProductMode::kDeterministic});
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  // What each turn is when nothing else runs.
  std::vector<TestSequence> Alone() const {
    const std::unique_ptr<ModelRunner> model = Load(kManyBlocks);
    std::vector<TestSequence> turns = MixedTurns(config_, GetParam());
    for (TestSequence& turn : turns) {
      std::vector<TestSequence> one = {turn};
      ShareBlocks(one, kFrames, kManyBlocks, 1);
      Generate(*model, one, {config_.semantic_start, kFrames, 1 << 20});
      turn = one[0];
    }
    return turns;
  }

  // Submits every turn twice, some late, the second time as another stream, and compares.
  Tally Check(const Serving& serving, uint64_t seed) {
    const std::unique_ptr<ModelRunner> model = Load(serving.num_blocks);
    const int32_t semantic_start = static_cast<int32_t>(config_.semantic_start);
    ModelExecutor executor(model.get(), {.semantic_start = semantic_start,
                                         .threaded = serving.threaded,
                                         .max_in_flight = serving.max_in_flight});
    RecordingSink sink;
    Engine engine({.scheduler = {.max_running = serving.max_running,
                                 .max_waiting = 100,
                                 .prefill_tokens = serving.prefill_tokens},
                   .semantic_start = semantic_start,
                   .prefix_cache = serving.prefix_cache},
                  &executor, &sink);
    const std::vector<TestSequence> turns = MixedTurns(config_, GetParam());
    std::vector<size_t> order;
    for (size_t i = 0; i < 2 * turns.size(); ++i) order.push_back(i);
    std::mt19937_64 random(seed);
    std::shuffle(order.begin(), order.end(), random);
    while (!order.empty() || !engine.idle()) {
      while (!order.empty() && (engine.idle() || random() % 3 == 0)) {
        const Request request =
            RequestOf(turns[order.back() % turns.size()], order.back(), random() % 3 == 0);
        const absl::Status accepted = engine.Submit(request);
        EXPECT_TRUE(accepted.ok()) << accepted;
        order.pop_back();
      }
      engine.Step();
    }
    Tally tally{engine.preemptions(), 0};
    for (size_t i = 0; i < 2 * turns.size(); ++i) {
      const Heard& heard = sink.heard[i];
      const TestSequence& alone = alone_[i % turns.size()];
      EXPECT_EQ(heard.frames, alone.frames) << "turn " << i;
      EXPECT_EQ(heard.finished, alone.ended ? FinishReason::kStop : FinishReason::kMaxFrames)
          << "turn " << i;
      tally.cached_positions += heard.cached_positions;
    }
    return tally;
  }

  const checkpoint::ModelConfig config_ = RandomConfig(GetParam());
  const RandomCheckpoint files_{config_, {.seed = GetParam(), .bf16 = GetParam() % 2 == 0}};
  const std::vector<TestSequence> alone_ = Alone();
};

TEST_P(EngineReproducibilityTest, BatchesAndChunksChangeNothing) {
  for (const int max_running : {1, 3, 16}) {
    for (const int prefill_tokens : {512, 33, 5}) {
      SCOPED_TRACE(testing::Message() << max_running << " rows, " << prefill_tokens << " a step");
      Check({.prefix_cache = false, .max_running = max_running, .prefill_tokens = prefill_tokens},
            GetParam());
    }
  }
}

TEST_P(EngineReproducibilityTest, AWarmPrefixCacheChangesNothing) {
  for (const int prefill_tokens : {512, 33}) {
    const Tally tally = Check({.max_running = 4, .prefill_tokens = prefill_tokens}, 2);
    EXPECT_GT(tally.cached_positions, 500);
    EXPECT_EQ(tally.preemptions, 0u);
  }
}

TEST_P(EngineReproducibilityTest, StepsAheadOfTheHostChangeNothing) {
  Check({.max_in_flight = 2}, 3);
  Check({.threaded = true, .max_running = 5, .prefill_tokens = 40}, 4);
}

TEST_P(EngineReproducibilityTest, LostBlocksChangeNothing) {
  uint64_t preemptions = 0;
  int cached_positions = 0;
  for (const bool prefix_cache : {false, true}) {
    for (const bool threaded : {false, true}) {
      SCOPED_TRACE(testing::Message() << "cache " << prefix_cache << ", threaded " << threaded);
      const Tally tally = Check({.num_blocks = kFewBlocks,
                                 .prefix_cache = prefix_cache,
                                 .threaded = threaded,
                                 .max_in_flight = 2,
                                 .max_running = 6,
                                 .prefill_tokens = 50},
                                5 + GetParam());
      preemptions += tally.preemptions;
      cached_positions += tally.cached_positions;
    }
  }
  EXPECT_GT(preemptions, 5u);
  EXPECT_GT(cached_positions, 0);
}

INSTANTIATE_TEST_SUITE_P(Models, EngineReproducibilityTest, ::testing::Range<uint64_t>(1, 6));

}  // namespace
}  // namespace shoal::engine
