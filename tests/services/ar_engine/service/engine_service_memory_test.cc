// What the engine remembers, gives up and takes back: turns that pause at their credit, the prefix
// cache, blocks that are taken away, turns that are ended as runaways.

#include <algorithm>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/service/engine_service_fixture.h"

namespace shoal::engine {
namespace {

using ::testing::SizeIs;

class EngineServiceMemoryTest : public EngineServiceTest {
 protected:
  // A turn that ran before this returns: whatever was sent to the engine before it has been seen.
  void RunAnother(uint64_t stream) {
    Submit(*front_, RandomRequest(stream, 10, 5, sizes_));
    EXPECT_THAT(AwaitLast(stream).frames, SizeIs(5));
  }
  size_t Frames(uint64_t stream) { return HeardOf(vocoder_->received(), stream).frames.size(); }

  static uint32_t CachedTokens(const std::vector<v1::Event>& events) {
    const auto started = std::find_if(events.begin(), events.end(),
                                      [](const v1::Event& event) { return event.has_started(); });
    return started->started().cached_tokens();
  }

  // The next turn of a dialogue: all of `turn`, its frames, and some new text.
  Request NextTurn(const Request& turn, uint64_t stream) const {
    Request next = turn;
    next.stream.low = stream;
    for (const auto& frame : HashingModel::ExpectedTurn(turn, sizes_).frames) {
      next.token_ids.push_back(sizes_.semantic_start + frame[0]);
      next.codes.insert(next.codes.end(), frame.begin(), frame.end());
    }
    for (int i = 0; i < 12; ++i) {
      next.token_ids.push_back(i);
      next.codes.insert(next.codes.end(), sizes_.num_codebooks, 0);
    }
    next.prompt_length = static_cast<int32_t>(next.token_ids.size());
    return next;
  }
};

TEST_F(EngineServiceMemoryTest, ATurnPausesAtItsCreditAloneAndGoesOnExactly) {
  Start();
  Request request = RandomRequest(1, 20, 40, sizes_);
  request.credit_frames = 10;
  Submit(*front_, request);
  AwaitFrames(1, 10);
  AwaitMetric("shoal_requests_paused", 1);
  RunAnother(2);
  EXPECT_EQ(Frames(1), 10u);

  Credit(*front_, request, 25);
  AwaitFrames(1, 25);
  AwaitMetric("shoal_requests_paused", 1);
  RunAnother(3);
  EXPECT_EQ(Frames(1), 25u);

  Credit(*front_, request, 100);
  EXPECT_EQ(AwaitLast(1).frames, HashingModel::ExpectedTurn(request, sizes_).frames);
  AwaitMetric("shoal_requests_paused", 0);
  AwaitMetric("shoal_turns_total{outcome=\"max_frames\"}", 3);
}

TEST_F(EngineServiceMemoryTest, OldNewsAndOthersNewsChangeNothing) {
  Start();
  Request request = RandomRequest(1, 20, 40, sizes_);
  request.turn = 3;
  request.credit_frames = 10;
  Submit(*front_, request);
  AwaitFrames(1, 10);
  Request other = request;
  other.turn = 4;
  Credit(*front_, other, 20);
  other.turn = 3;
  other.attempt = 1;
  Credit(*front_, other, 20);
  Credit(*front_, request, 5);  // was on its way for long
  const std::unique_ptr<PipelinePeer> stranger = NewFront();
  Credit(*stranger, request, 20);
  Submit(*stranger, RandomRequest(7, 10, 5, sizes_));
  EXPECT_THAT(AwaitLast(7).frames, SizeIs(5));
  RunAnother(2);
  EXPECT_EQ(Frames(1), 10u);
  Credit(*front_, request, 40);
  EXPECT_EQ(AwaitLast(1).frames, HashingModel::ExpectedTurn(request, sizes_).frames);
}

TEST_F(EngineServiceMemoryTest, CancellingFreesBlocksAtOnce) {
  Start(GateAt(5));
  const Request running = RandomRequest(1, 40, 20, sizes_);
  Request paused = RandomRequest(2, 40, 20, sizes_);
  paused.credit_frames = 2;
  Submit(*front_, running);
  Submit(*front_, paused);
  AwaitFrames(1, 5);
  AwaitFrames(2, 2);
  AwaitMetricAbove("shoal_kv_blocks{state=\"used\"}", 0);
  Cancel(*front_, running);
  Cancel(*front_, paused);
  AwaitMetric("shoal_kv_blocks{state=\"used\"}", 0);
  AwaitMetric("shoal_requests_running", 0);
  AwaitMetric("shoal_requests_paused", 0);
}

TEST_F(EngineServiceMemoryTest, ALaterTurnComputesOnlyWhatIsNew) {
  Start({}, {.max_seq_len = 512});
  const Request first = RandomRequest(1, 70, 30, sizes_);
  Submit(*front_, first);
  AwaitLast(1);
  EXPECT_EQ(CachedTokens(AwaitEvent(*front_, 1, v1::Event::kFinished)), 0u);
  const Request second = NextTurn(first, 2);
  Submit(*front_, second);
  EXPECT_EQ(AwaitLast(2).frames, HashingModel::ExpectedTurn(second, sizes_).frames);
  // 99 of 100 positions are in the KV when a turn ends, and whole blocks of 16 are remembered.
  EXPECT_EQ(CachedTokens(AwaitEvent(*front_, 2, v1::Event::kFinished)), 96u);
  AwaitMetric("shoal_prefix_cache_hit_tokens_total", 96);
  AwaitMetric("shoal_prefix_cache_lookups_total", 2);
  EXPECT_GE(Metric("shoal_prefix_cache_query_tokens_total"), 96 + 70);
  EXPECT_GT(Metric("shoal_prefix_cache_inserted_blocks_total"), 0);
  AwaitMetric("shoal_kv_blocks{state=\"used\"}", 0);
  EXPECT_GT(Metric("shoal_kv_blocks{state=\"cached\"}"), 0);
}

TEST_F(EngineServiceMemoryTest, WithoutACacheNothingIsRemembered) {
  EngineService::Options options;
  options.prefix_cache = false;
  Start(options, {.max_seq_len = 512});
  const Request first = RandomRequest(1, 70, 30, sizes_);
  Submit(*front_, first);
  AwaitLast(1);
  const Request second = NextTurn(first, 2);
  Submit(*front_, second);
  EXPECT_EQ(AwaitLast(2).frames, HashingModel::ExpectedTurn(second, sizes_).frames);
  EXPECT_EQ(CachedTokens(AwaitEvent(*front_, 2, v1::Event::kFinished)), 0u);
  AwaitMetric("shoal_kv_blocks{state=\"free\"}", sizes_.num_blocks);
}

TEST_F(EngineServiceMemoryTest, TooFewBlocksForAllChangeNobodysCodes) {
  // Each of the four fits alone, no two of them do; at the gate each holds two of the blocks.
  Start(GateAt(1), {.num_blocks = 8});
  std::vector<Request> requests;
  for (uint64_t stream = 1; stream <= 4; ++stream) {
    requests.push_back(RandomRequest(stream, 20 + static_cast<int>(stream), 90, sizes_));
    Submit(*front_, requests.back());
  }
  for (const Request& request : requests) AwaitFrames(request.stream.low, 1);
  OpenGate();
  for (const Request& request : requests) {
    EXPECT_EQ(AwaitLast(request.stream.low).frames,
              HashingModel::ExpectedTurn(request, sizes_).frames);
  }
  AwaitMetricAbove("shoal_preemptions_total", 0);
  AwaitMetric("shoal_kv_blocks{state=\"used\"}", 0);
}

TEST_F(EngineServiceMemoryTest, APausedTurnGivesItsBlocksAndGoesOnExactly) {
  Start({}, {.num_blocks = 8});
  Request paused = RandomRequest(1, 30, 80, sizes_);
  paused.credit_frames = 40;
  Submit(*front_, paused);
  AwaitFrames(1, 40);
  AwaitMetric("shoal_requests_paused", 1);
  const Request other = RandomRequest(2, 30, 80, sizes_);
  Submit(*front_, other);
  EXPECT_EQ(AwaitLast(2).frames, HashingModel::ExpectedTurn(other, sizes_).frames);
  EXPECT_EQ(Frames(1), 40u);
  AwaitMetricAbove("shoal_preemptions_total", 0);
  Credit(*front_, paused, 80);
  EXPECT_EQ(AwaitLast(1).frames, HashingModel::ExpectedTurn(paused, sizes_).frames);
}

TEST_F(EngineServiceMemoryTest, ARunawayEndsThereAndSaysSo) {
  Start();
  Request request = RandomRequest(1, 10, 40, sizes_);
  request.runaway_frames = 7;
  Submit(*front_, request);
  const Heard heard = AwaitLast(1);
  EXPECT_THAT(heard.frames, SizeIs(7));
  const v1::Event finished = AwaitEvent(*front_, 1, v1::Event::kFinished).back();
  EXPECT_EQ(finished.finished().reason(), v1::RUNAWAY);
  EXPECT_EQ(finished.finished().frame_count(), 7u);
  AwaitMetric("shoal_turns_total{outcome=\"runaway\"}", 1);

  request.stream.low = 2;
  request.runaway_frames = 40;
  Submit(*front_, request);
  EXPECT_EQ(AwaitEvent(*front_, 2, v1::Event::kFinished).back().finished().reason(), v1::MAX_FRAMES)
      << "the client's own limit is no runaway";
}

}  // namespace
}  // namespace shoal::engine
