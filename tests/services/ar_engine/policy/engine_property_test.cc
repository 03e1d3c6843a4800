// Random lives of engines: see engine_life.h.
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/policy/engine_life.h"

namespace shoal::engine {
namespace {

EngineLife::Options RandomOptions(std::mt19937& random) {
  const auto below = [&](int end) { return static_cast<int>(random() % end); };
  EngineLife::Options options;
  options.model = {.num_blocks = 8 + below(30),
                   .num_codebooks = 2 + below(4),
                   .max_seq_len = 128,
                   .end_one_in = 20 + below(200)};
  options.engine.scheduler = {
      .policy = below(4) == 0 ? Policy::kFirstCome : Policy::kDeadline,
      .max_running = 1 + below(8),
      .max_streams = below(12),
      .max_waiting = below(8),
      .prefill_tokens = 1 + below(80),
      .hurry = {.near_empty = 0.1, .plenty = 0.1 * below(10), .margin = 0.1 * below(5)}};
  options.engine.prefix_cache = below(5) != 0;
  options.threaded = below(6) == 0;
  options.max_in_flight = 1 + below(2);
  return options;
}

// One thing that can happen to an engine.
void RandomEvent(EngineLife& life, std::mt19937& random, uint64_t& last_stream) {
  const auto below = [&](int end) { return static_cast<int>(random() % end); };
  const uint64_t stream = 1 + random() % (last_stream + 1);  // often one that is gone
  switch (below(24)) {
    case 0:
    case 1:
    case 2:
    case 3: {
      const int voice_length = 20 * below(4), text_length = 1 + below(25);
      Request request =
          life.RequestOf(last_stream + 1, below(3), voice_length, text_length, 1 + below(42));
      if (below(4) == 0) request.priority = Priority::kWholeFile;
      if (below(3) == 0) request.credit_frames = 1 + below(20);
      if (below(6) == 0) request.runaway_frames = 1 + below(30);
      if (below(6) == 0) request.wait_limit = 0.01 * (1 + below(100));
      if (below(4) == 0) request.buffered_seconds = 0.1 * below(40);
      if (life.Submit(request)) ++last_stream;
      return;
    }
    case 4:
      return below(2) == 0 ? life.Cancel(stream) : life.Fail(stream);
    case 5:
    case 6:
    case 7: {
      const Sequence* sequence = life.engine().Find({.front = 1, .high = 0, .low = stream});
      const int frames = sequence == nullptr ? 0 : static_cast<int>(sequence->frames());
      const ListenerNews news = {.credit_frames = below(3) == 0 ? 0 : frames + below(8),
                                 .buffered_seconds = 0.05 * below(60),
                                 .next_frame = static_cast<uint32_t>(below(frames + 2))};
      return life.Update(stream, news);
    }
    case 8:
    case 9:
      return life.Wait(0.01 * below(20));
    default:
      life.engine().Step();
  }
}

TEST(EnginePropertyTest, RandomLivesKeepEveryPromise) {
  int two_in_flight = 0, preemptions = 0, hits = 0;
  for (uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    EngineLife life(RandomOptions(random));
    uint64_t last_stream = 0;
    for (int event = 0; event < 500; ++event) {
      SCOPED_TRACE("event " + std::to_string(event));
      RandomEvent(life, random, last_stream);
      life.Check();
      if (::testing::Test::HasFailure()) return;
    }
    life.RunAll();
    life.CheckEnd();
    if (::testing::Test::HasFailure()) return;
    two_in_flight += life.model().steps_with_two > 0;
    preemptions += static_cast<int>(life.engine().preemptions());
    hits += static_cast<int>(life.engine().prefix_cache().stats().hit_positions);
  }
  // The lives were about something.
  EXPECT_GT(two_in_flight, 10);
  EXPECT_GT(preemptions, 200);
  EXPECT_GT(hits, 10000);
}

TEST(EnginePropertyTest, TenThousandEventsEndWhereTheyBegan) {
  std::mt19937 random(99);
  EngineLife life({.model = {.num_blocks = 8, .max_seq_len = 128, .end_one_in = 60},
                   .engine = {.scheduler = {.max_running = 5,
                                            .max_streams = 9,
                                            .max_waiting = 6,
                                            .prefill_tokens = 30}},
                   .max_in_flight = 2});
  uint64_t last_stream = 0;
  for (int event = 0; event < 10000; ++event) {
    RandomEvent(life, random, last_stream);
    if (event % 10 == 0) life.Check();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(life.accepted().size(), 200u);
  life.RunAll();
  life.CheckEnd();
  EXPECT_GT(life.engine().preemptions(), 0u);
  // All blocks can be had again: this turn needs them all.
  const Request all = life.RequestOf(last_stream + 1, 0, 100, 27, 1);
  EXPECT_TRUE(life.Submit(all));
  life.RunAll();
  life.CheckEnd();
}

// The same requests, in every way that the engine can go about them.
struct Way {
  std::string name;
  EngineLife::Options options;
  bool warm = false;
  bool alone = false;
};

std::vector<Way> Ways() {
  const EngineLife::Options plain = {
      .model = {.num_blocks = 200, .max_seq_len = 256, .end_one_in = 70},
      .engine = {.scheduler = {.max_running = 12, .prefill_tokens = 10000}, .prefix_cache = false}};
  std::vector<Way> ways = {{.name = "Alone", .options = plain, .alone = true},
                           {.name = "Together", .options = plain},
                           {.name = "Cold", .options = plain},
                           {.name = "Warm", .options = plain, .warm = true},
                           {.name = "PieceByPiece", .options = plain},
                           {.name = "PositionByPosition", .options = plain},
                           {.name = "TwoInFlight", .options = plain},
                           {.name = "Threaded", .options = plain},
                           {.name = "OneRow", .options = plain},
                           {.name = "FewBlocks", .options = plain},
                           {.name = "FewBlocksFirstCome", .options = plain},
                           {.name = "FewBlocksThreadedWarm", .options = plain, .warm = true}};
  ways[2].options.engine.prefix_cache = ways[3].options.engine.prefix_cache = true;
  ways[4].options.engine.scheduler.prefill_tokens = 7;
  ways[5].options.engine.scheduler.prefill_tokens = 1;
  ways[6].options.max_in_flight = 2;
  ways[7].options.threaded = true;
  ways[8].options.engine.scheduler.max_running = 1;
  for (int i = 9; i < 12; ++i) {
    ways[i].options.model.num_blocks = 16;
    ways[i].options.engine.scheduler.hurry = {.near_empty = 0.05, .plenty = 0.2, .margin = 0.1};
  }
  ways[10].options.engine.scheduler.policy = Policy::kFirstCome;
  ways[11].options.threaded = ways[11].options.engine.prefix_cache = true;
  return ways;
}

class EngineWaysTest : public ::testing::TestWithParam<Way> {};

TEST_P(EngineWaysTest, DrawsTheSameCodes) {
  const Way& way = GetParam();
  EngineLife life(way.options);
  for (int round = 0; round < (way.warm ? 2 : 1); ++round) {
    for (uint64_t i = 0; i < 12; ++i) {
      const Request request =
          life.RequestOf(round * 100 + i + 1, static_cast<int>(i % 3), 48, 10 + 3 * i, 70);
      ASSERT_TRUE(life.Submit(request));
      if (way.alone) life.RunAll();
    }
    life.RunAll();
  }
  life.CheckEnd();
  EXPECT_EQ(life.engine().preemptions() > 0, way.options.model.num_blocks < 20);
  EXPECT_EQ(life.engine().prefix_cache().stats().hit_positions > 0, way.warm);
  EXPECT_EQ(life.model().steps_with_two > 0,
            way.options.threaded || way.options.max_in_flight == 2);
}

INSTANTIATE_TEST_SUITE_P(All, EngineWaysTest, ::testing::ValuesIn(Ways()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace shoal::engine
