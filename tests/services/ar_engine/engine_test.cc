#include "services/ar_engine/engine.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/model_executor.h"
#include "tests/services/ar_engine/hashing_model.h"
#include "tests/services/ar_engine/recording_sink.h"
#include "tests/services/ar_engine/requests.h"

namespace shoal::engine {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class EngineTest : public ::testing::Test {
 protected:
  void Make(const HashingModel::Options& sizes, Engine::Options options = {}) {
    sizes_ = sizes;
    options.semantic_start = sizes.semantic_start;
    engine_.reset();
    model_.emplace(sizes);
    executor_.emplace(&*model_, ModelExecutor::Options{.semantic_start = sizes.semantic_start});
    engine_.emplace(options, &*executor_, &sink_);
  }
  Request RequestOf(uint64_t stream, int prompt_length, int max_frames) {
    return RandomRequest(stream, prompt_length, max_frames, sizes_);
  }
  void RunAll() {
    for (int step = 0; step < 100000 && !engine_->idle(); ++step) engine_->Step();
    EXPECT_TRUE(engine_->idle());
    // What is used could be forgotten.
    EXPECT_EQ(engine_->blocks().used(), engine_->prefix_cache().size());
    EXPECT_EQ(engine_->blocks().used(), engine_->prefix_cache().evictable());
  }
  void ExpectTurn(const Request& request) {
    const HashingModel::Turn expected = HashingModel::ExpectedTurn(request, sizes_);
    const Heard& heard = sink_.heard[request.stream.low];
    EXPECT_EQ(heard.frames, expected.frames);
    EXPECT_EQ(heard.finished, expected.reason);
  }

  HashingModel::Options sizes_;
  RecordingSink sink_;
  std::optional<HashingModel> model_;
  std::optional<ModelExecutor> executor_;
  std::optional<Engine> engine_;
};

TEST_F(EngineTest, ARequestBecomesItsFramesAndEndsAtTheLimit) {
  Make({});
  const Request request = RequestOf(1, 37, 9);
  ASSERT_TRUE(engine_->Submit(request).ok());
  RunAll();
  ExpectTurn(request);
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(9));
  EXPECT_EQ(sink_.heard[1].finished, FinishReason::kMaxFrames);
}

TEST_F(EngineTest, TheFrameOfTheEndIsDropped) {
  Make({.end_one_in = 5});
  int stopped = 0;
  for (uint64_t stream = 1; stream <= 10; ++stream) {
    const Request request = RequestOf(stream, 5, 40);
    ASSERT_TRUE(engine_->Submit(request).ok());
    RunAll();
    ExpectTurn(request);
    if (sink_.heard[stream].finished != FinishReason::kStop) continue;
    ++stopped;
    EXPECT_EQ(sink_.heard[stream].frame_count, sink_.heard[stream].frames.size());
  }
  EXPECT_GT(stopped, 0);
}

TEST_F(EngineTest, EveryRunningRequestIsARowOfTheStep) {
  Make({}, {.scheduler = {.max_running = 8, .max_waiting = 0, .prefill_tokens = 1000}});
  for (uint64_t stream = 1; stream <= 8; ++stream) {
    ASSERT_TRUE(engine_->Submit(RequestOf(stream, static_cast<int>(3 * stream), 20)).ok());
  }
  const Engine::StepReport prefill = engine_->Step();
  EXPECT_EQ(prefill.rows, 8);
  EXPECT_EQ(prefill.positions, 3 * 36);
  EXPECT_EQ(prefill.frames, 8);
  const Engine::StepReport decode = engine_->Step();
  EXPECT_EQ(decode.rows, 8);
  EXPECT_EQ(decode.positions, 8);
  EXPECT_EQ(decode.frames, 8);
  RunAll();
}

TEST_F(EngineTest, APromptAndItsFramesMayFillTheModelButNotExceedIt) {
  Make({.num_blocks = 32, .max_seq_len = 100});
  EXPECT_TRUE(engine_->Submit(RequestOf(1, 60, 40)).ok());
  const absl::Status refused = engine_->Submit(RequestOf(2, 61, 40));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("max_seq_len 100"));
  RunAll();
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(40));
  EXPECT_EQ(sink_.heard.count(2), 0u);
}

TEST_F(EngineTest, ARequestThatCanNeverFitTheBlocksIsRefusedAtOnce) {
  Make({.num_blocks = 3, .max_seq_len = 1000});
  EXPECT_TRUE(engine_->Submit(RequestOf(1, 28, 20)).ok());
  const absl::Status refused = engine_->Submit(RequestOf(2, 29, 20));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), AllOf(HasSubstr("4 KV blocks"), HasSubstr("3")));
}

TEST_F(EngineTest, CancellingFreesTheBlocksAtOnceWhereverTheSequenceIs) {
  Make({.num_blocks = 8},
       {.scheduler = {.max_running = 2, .prefill_tokens = 40}, .prefix_cache = false});
  for (uint64_t stream = 1; stream <= 3; ++stream) {
    ASSERT_TRUE(engine_->Submit(RequestOf(stream, 30, 20)).ok());
  }
  engine_->Step();  // 1 has drawn, 2 is in the middle of its prompt, 3 waits
  EXPECT_EQ(engine_->blocks().used(), 4);
  for (uint64_t stream = 1; stream <= 3; ++stream) {
    EXPECT_EQ(engine_->Cancel([&](const Sequence& s) { return s.stream().low == stream; }), 1);
    EXPECT_EQ(sink_.heard[stream].finished, FinishReason::kCancelled);
  }
  EXPECT_EQ(engine_->blocks().used(), 0);
  EXPECT_TRUE(engine_->idle());
  EXPECT_FALSE(engine_->Step().worked());
}

TEST_F(EngineTest, AFailedStepFailsItsSequencesOnly) {
  Make({}, {.scheduler = {.max_running = 2}});
  const Request waits = RequestOf(3, 5, 5);
  ASSERT_TRUE(engine_->Submit(RequestOf(1, 5, 5)).ok());
  ASSERT_TRUE(engine_->Submit(RequestOf(2, 5, 5)).ok());
  ASSERT_TRUE(engine_->Submit(waits).ok());
  model_->next_step = absl::InternalError("out of memory");
  engine_->Step();
  for (const uint64_t stream : {1, 2}) {
    ASSERT_TRUE(sink_.heard[stream].failed.has_value());
    EXPECT_THAT(std::string(sink_.heard[stream].failed->message()), HasSubstr("out of memory"));
  }
  RunAll();
  ExpectTurn(waits);
}

TEST_F(EngineTest, LogitsThatAreNotFiniteFailTheirSequenceAlone) {
  Make({});
  const Request good = RequestOf(1, 5, 12);
  ASSERT_TRUE(engine_->Submit(good).ok());
  ASSERT_TRUE(engine_->Submit(RequestOf(2, 5, 12)).ok());
  engine_->Step();
  model_->broken_seeds = {2};
  RunAll();
  ExpectTurn(good);
  EXPECT_THAT(sink_.heard[2].frames, SizeIs(1));
  EXPECT_EQ(sink_.heard[2].failed->code(), absl::StatusCode::kInternal);
}

TEST_F(EngineTest, AFrameThatNobodyTakesFailsTheSequence) {
  Make({});
  ASSERT_TRUE(engine_->Submit(RequestOf(1, 5, 12)).ok());
  sink_.frame_status = absl::UnavailableError("the vocoder is gone");
  RunAll();
  EXPECT_EQ(sink_.heard[1].failed->code(), absl::StatusCode::kUnavailable);
}

TEST_F(EngineTest, HeldSequencesWaitWithoutHoldingUpOthers) {
  bool open = false;
  Make({}, {.hold = [&](const Sequence& s) {
         return s.stream().low == 1 && s.frames() == 3 && !open;
       }});
  const Request held = RequestOf(1, 5, 6), other = RequestOf(2, 5, 6);
  ASSERT_TRUE(engine_->Submit(held).ok());
  ASSERT_TRUE(engine_->Submit(other).ok());
  while (engine_->Step().rows > 0) {
  }
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(3));
  ExpectTurn(other);
  EXPECT_FALSE(engine_->idle());
  open = true;
  RunAll();
  ExpectTurn(held);
}

TEST_F(EngineTest, AnAttemptGoesOnWhereTheEarlierOneStopped) {
  Make({});
  const Request whole = RequestOf(1, 20, 15);
  ASSERT_TRUE(engine_->Submit(whole).ok());
  RunAll();
  const std::vector<std::vector<int32_t>> frames = sink_.heard[1].frames;

  Request resumed = whole;
  for (int i = 0; i < 6; ++i) {
    resumed.token_ids.push_back(sizes_.semantic_start + frames[i][0]);
    resumed.codes.insert(resumed.codes.end(), frames[i].begin(), frames[i].end());
  }
  resumed.stream.low = 2;
  resumed.attempt = 1;
  sink_.first_frame = 6;
  ASSERT_TRUE(engine_->Submit(resumed).ok());
  RunAll();
  EXPECT_EQ(sink_.heard[2].frames,
            std::vector<std::vector<int32_t>>(frames.begin() + 6, frames.end()));
  EXPECT_EQ(sink_.heard[2].frame_count, 15u);
}

// Random arrivals, lengths, limits, cancels and faults, in few blocks: every sequence hears exactly
// what it would hear alone, or ends as it was told to, and no block is lost.
TEST_F(EngineTest, RandomWorkloadsEqualEachRequestAlone) {
  for (uint32_t seed = 0; seed < 25; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    sink_.heard.clear();
    Make({.num_blocks = static_cast<int>(8 + random() % 30),
          .num_codebooks = static_cast<int>(1 + random() % 10),
          .max_seq_len = 128,
          .end_one_in = static_cast<int>(10 + random() % 100)},
         {.scheduler = {.max_running = static_cast<int>(1 + random() % 9),
                        .max_waiting = static_cast<int>(random() % 6),
                        .prefill_tokens = static_cast<int>(1 + random() % 60)}});
    std::map<uint64_t, Request> accepted;
    std::set<uint64_t> cancelled;
    uint64_t stream = 0;
    for (int step = 0; step < 800; ++step) {
      const uint32_t action = random() % 20;
      if (action < 5) {
        ++stream;
        const int prompt = static_cast<int>(1 + random() % 90);
        const Request request = RequestOf(stream, prompt, static_cast<int>(1 + random() % 38));
        const absl::Status status = engine_->Submit(request);
        if (status.ok()) {
          accepted[stream] = request;
        } else {
          EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
        }
      } else if (action == 5 && !accepted.empty()) {
        auto it = accepted.begin();
        std::advance(it, random() % accepted.size());
        const uint64_t which = it->first;
        if (engine_->Cancel([&](const Sequence& s) { return s.stream().low == which; }) > 0) {
          cancelled.insert(which);
        }
      } else {
        engine_->Step();
      }
    }
    RunAll();
    EXPECT_EQ(sink_.heard.size(), accepted.size());
    for (const auto& [which, request] : accepted) {
      SCOPED_TRACE("stream " + std::to_string(which));
      const HashingModel::Turn expected = HashingModel::ExpectedTurn(request, sizes_);
      const Heard& heard = sink_.heard[which];
      if (cancelled.count(which) > 0) {
        EXPECT_EQ(heard.finished, FinishReason::kCancelled);
        ASSERT_LE(heard.frames.size(), expected.frames.size());
        EXPECT_TRUE(std::equal(heard.frames.begin(), heard.frames.end(), expected.frames.begin()));
      } else {
        ExpectTurn(request);
      }
    }
    EXPECT_GT(accepted.size(), 5u);
  }
}

}  // namespace
}  // namespace shoal::engine
