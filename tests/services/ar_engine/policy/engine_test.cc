#include "services/ar_engine/policy/engine.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/policy/hashing_model.h"
#include "tests/services/ar_engine/policy/recording_sink.h"
#include "tests/services/ar_engine/policy/requests.h"

namespace shoal::engine {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class EngineTest : public ::testing::Test {
 protected:
  void Make(const HashingModel::Options& sizes, Engine::Options options = {},
            int max_in_flight = 1) {
    sizes_ = sizes;
    options.semantic_start = sizes.semantic_start;
    engine_.reset();
    model_.emplace(sizes);
    executor_.emplace(&*model_, ModelExecutor::Options{.semantic_start = sizes.semantic_start,
                                                       .max_in_flight = max_in_flight});
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

TEST_F(EngineTest, ATurnOfTwoStepsInFlightIsTheSame) {
  Make({.end_one_in = 20}, {}, /*max_in_flight=*/2);
  std::vector<Request> requests;
  for (uint64_t stream = 1; stream <= 10; ++stream) {
    requests.push_back(RequestOf(stream, 20, 30));
    ASSERT_TRUE(engine_->Submit(requests.back()).ok());
  }
  const Engine::StepReport first = engine_->Step();
  EXPECT_EQ(first.launched, 10);
  EXPECT_EQ(first.rows, 0) << "the host is a step behind";
  const Engine::StepReport second = engine_->Step();
  EXPECT_EQ(second.launched, 10);
  EXPECT_EQ(second.frames, 10);
  RunAll();
  for (const Request& request : requests) ExpectTurn(request);
}

TEST_F(EngineTest, BlocksOfACancelledTurnComeBackWhenItsLastStepIsCollected) {
  Make({}, {.prefix_cache = false}, /*max_in_flight=*/2);
  ASSERT_TRUE(engine_->Submit(RequestOf(1, 20, 30)).ok());
  engine_->Step();
  engine_->Step();
  EXPECT_EQ(engine_->Cancel([](const Sequence&) { return true; }), 1);
  EXPECT_EQ(sink_.heard[1].finished, FinishReason::kCancelled) << "the sink hears it at once";
  EXPECT_EQ(engine_->running(), 0);
  EXPECT_FALSE(engine_->idle());
  EXPECT_EQ(engine_->blocks().used(), 2);
  EXPECT_TRUE(engine_->Step().worked());
  EXPECT_TRUE(engine_->idle());
  EXPECT_EQ(engine_->blocks().used(), 0);
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(1));
}

TEST_F(EngineTest, AFailedStepTakesThoseOfTheNextStepAlong) {
  Make({}, {.scheduler = {.max_running = 2}}, /*max_in_flight=*/2);
  const Request good = RequestOf(3, 5, 5);
  ASSERT_TRUE(engine_->Submit(RequestOf(1, 5, 5)).ok());
  ASSERT_TRUE(engine_->Submit(RequestOf(2, 5, 5)).ok());
  ASSERT_TRUE(engine_->Submit(good).ok());
  engine_->Step();
  model_->next_step = absl::InternalError("out of memory");
  RunAll();
  for (const uint64_t stream : {1, 2}) EXPECT_TRUE(sink_.heard[stream].failed.has_value());
  ExpectTurn(good);
  EXPECT_EQ(engine_->prefix_cache().size(), 0) << "nobody knows what is in those blocks";
}

TEST_F(EngineTest, AKnownPromptIsNotComputedAgain) {
  Make({});
  Request request = RequestOf(1, 50, 20);
  ASSERT_TRUE(engine_->Submit(request).ok());
  RunAll();
  EXPECT_EQ(sink_.heard[1].cached_positions, 0);
  request.stream.low = 2;
  ASSERT_TRUE(engine_->Submit(request).ok());
  EXPECT_EQ(engine_->Step().positions, 2);
  RunAll();
  EXPECT_EQ(sink_.heard[2].cached_positions, 48);
  ExpectTurn(request);
}

TEST_F(EngineTest, ThePromptOfATurnThatStillRunsIsKnown) {
  Make({});
  Request request = RequestOf(1, 50, 60);
  ASSERT_TRUE(engine_->Submit(request).ok());
  engine_->Step();
  request.stream.low = 2;
  ASSERT_TRUE(engine_->Submit(request).ok());
  engine_->Step();
  EXPECT_EQ(sink_.heard[2].cached_positions, 48);
  RunAll();
  ExpectTurn(request);
}

// At most length - 1 positions: the last one must run for there to be a draw.
TEST_F(EngineTest, APromptOfWholeBlocksRunsItsLastBlock) {
  Make({});
  Request request = RequestOf(1, 48, 20);
  ASSERT_TRUE(engine_->Submit(request).ok());
  RunAll();
  request.stream.low = 2;
  ASSERT_TRUE(engine_->Submit(request).ok());
  RunAll();
  EXPECT_EQ(sink_.heard[2].cached_positions, 32);
  ExpectTurn(request);
}

TEST_F(EngineTest, TheNextTurnOfADialogueFindsTheFramesOfTheLast) {
  Make({});
  const Request first = RequestOf(1, 40, 24);
  ASSERT_TRUE(engine_->Submit(first).ok());
  RunAll();
  Request second = first;
  for (const std::vector<int32_t>& frame : sink_.heard[1].frames) {
    second.token_ids.push_back(sizes_.semantic_start + frame[0]);
    second.codes.insert(second.codes.end(), frame.begin(), frame.end());
  }
  second.token_ids.push_back(7);
  second.codes.insert(second.codes.end(), sizes_.num_codebooks, 0);
  second.prompt_length = static_cast<int32_t>(second.token_ids.size());
  second.stream.low = 2;
  second.turn = 1;
  ASSERT_TRUE(engine_->Submit(second).ok());
  RunAll();
  EXPECT_EQ(sink_.heard[2].cached_positions, 48) << "the last frame is not in the KV";
  ExpectTurn(second);
}

TEST_F(EngineTest, ATurnPausesAtItsCreditUntilMoreIsGiven) {
  Make({});
  Request request = RequestOf(1, 5, 12);
  request.credit_frames = 4;
  ASSERT_TRUE(engine_->Submit(request).ok());
  while (engine_->Step().worked()) {
  }
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(4));
  EXPECT_FALSE(engine_->idle());
  engine_->Update(request.stream, {.credit_frames = 3, .next_frame = 1});
  EXPECT_FALSE(engine_->Step().worked()) << "a credit does not fall";
  engine_->Update(request.stream, {.turn = 1, .credit_frames = 9});
  engine_->Update(request.stream, {.attempt = 1, .credit_frames = 9});
  EXPECT_FALSE(engine_->Step().worked()) << "of another turn";
  engine_->Update(request.stream, {.credit_frames = 6, .next_frame = 2});
  while (engine_->Step().worked()) {
  }
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(6));
  engine_->Update(request.stream, {.credit_frames = 12, .next_frame = 2});
  RunAll();
  ExpectTurn(request);
}

TEST_F(EngineTest, ARunawayEndsWhereNoTextOfItsLengthCan) {
  for (const int max_in_flight : {1, 2}) {
    Make({}, {}, max_in_flight);
    sink_.heard.clear();
    Request runaway = RequestOf(1, 5, 12), at_limit = RequestOf(2, 5, 12);
    runaway.runaway_frames = 8;
    at_limit.runaway_frames = 12;
    ASSERT_TRUE(engine_->Submit(runaway).ok());
    ASSERT_TRUE(engine_->Submit(at_limit).ok());
    RunAll();
    EXPECT_EQ(sink_.heard[1].finished, FinishReason::kRunaway);
    EXPECT_THAT(sink_.heard[1].frames, SizeIs(8));
    ExpectTurn(at_limit);
  }
}

TEST_F(EngineTest, AnAttemptThatBeginsAsARunawayEndsAtOnce) {
  Make({});
  Request request = RequestOf(1, 20, 15);
  request.runaway_frames = 3;
  for (int i = 0; i < 5; ++i) {
    request.token_ids.push_back(sizes_.semantic_start + i);
    request.codes.insert(request.codes.end(), {i, 0, 0});
  }
  sink_.first_frame = 5;
  ASSERT_TRUE(engine_->Submit(request).ok());
  RunAll();
  EXPECT_EQ(sink_.heard[1].finished, FinishReason::kRunaway);
  EXPECT_THAT(sink_.heard[1].frames, SizeIs(1));
}

TEST_F(EngineTest, PausedTurnsThatHoldAllBlocksHoldNobodyUp) {
  Make({.num_blocks = 12, .max_seq_len = 128},
       {.scheduler = {.max_running = 4, .max_waiting = 20}});
  std::vector<Request> paused;
  for (uint64_t stream = 1; stream <= 4; ++stream) {
    paused.push_back(RequestOf(stream, 47, 30));
    paused.back().credit_frames = 1;
    ASSERT_TRUE(engine_->Submit(paused.back()).ok());
  }
  while (engine_->Step().worked()) {
  }
  EXPECT_EQ(engine_->blocks().free(), 0);
  const Request large = RequestOf(9, 100, 28);
  ASSERT_TRUE(engine_->Submit(large).ok());
  while (engine_->Step().worked()) {
  }
  ExpectTurn(large);
  for (const Request& request : paused) {
    engine_->Update(request.stream, {.credit_frames = 30, .next_frame = 1});
  }
  RunAll();
  for (const Request& request : paused) ExpectTurn(request);
}

// A listener is served while a prompt that takes many steps comes in, and it is heard soon though
// others are behind.
TEST_F(EngineTest, ALongPromptAndFramesShareTheSteps) {
  Engine::TimePoint now;
  Make({.num_blocks = 200, .max_seq_len = 2000},
       {.scheduler = {.prefill_tokens = 1000}, .clock = [&] { return now; }});
  model_->step_seconds = [&](int rows, int positions) {
    now += std::chrono::microseconds(10000 + 1000 * rows + 500 * positions);
  };
  Request listens = RequestOf(1, 5, 200);
  listens.frame_seconds = 0.05;
  ASSERT_TRUE(engine_->Submit(listens).ok());
  Request warm_up = RequestOf(3, 300, 1);
  ASSERT_TRUE(engine_->Submit(warm_up).ok());
  while (sink_.heard[1].frames.size() < 60) engine_->Step();

  Request comes = RequestOf(2, 1500, 5);
  comes.frame_seconds = 0.05;
  ASSERT_TRUE(engine_->Submit(comes).ok());
  const Engine::TimePoint submitted = now;
  const auto since = [&](Engine::TimePoint begin) {
    return std::chrono::duration<double>(now - begin).count();
  };
  const Engine::TimePoint first_audio = engine_->Find(listens.stream)->first_frame;
  while (sink_.heard[2].frames.empty()) {
    engine_->Step();
    EXPECT_GT(static_cast<double>(sink_.heard[1].frames.size()) * 0.05, since(first_audio))
        << "the listener has nothing left";
    ASSERT_LT(since(submitted), 10);
  }
  EXPECT_LT(since(submitted), 1.5);  // alone it would be 0.76 s
  RunAll();
  ExpectTurn(listens);
  ExpectTurn(comes);
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
