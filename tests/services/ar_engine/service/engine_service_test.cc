// Turns, events, refusals, peers that go away, draining.
#include "services/ar_engine/service/engine_service.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/service/engine_service_fixture.h"

namespace shoal::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(EngineServiceTest, ATurnBecomesFramesAtTheVocoderAndEventsAtTheFront) {
  Start();
  Request request = RandomRequest(5, 37, 9, sizes_);
  request.turn = 4;
  Submit(*front_, request);
  const Heard heard = AwaitLast(5);
  EXPECT_EQ(heard.frames, HashingModel::ExpectedTurn(request, sizes_).frames);

  const std::vector<v1::Event> events = AwaitEvent(*front_, 5, v1::Event::kFinished);
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_TRUE(events[0].has_accepted());
  EXPECT_TRUE(events[1].has_started());
  ASSERT_TRUE(events[2].has_finished());
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].sequence(), i);
    EXPECT_EQ(events[i].turn(), 4u);
    EXPECT_EQ(events[i].attempt(), 0u);
  }
  EXPECT_EQ(events[2].finished().reason(), v1::MAX_FRAMES);
  EXPECT_EQ(events[2].finished().frame_count(), 9u);
  EXPECT_EQ(events[2].finished().prompt_tokens(), 37u);
  AwaitMetric("shoal_frames_generated_total", 9);
  AwaitMetric("shoal_turns_total{outcome=\"max_frames\"}", 1);
  AwaitMetric("shoal_request_queue_seconds_count", 1);
}

TEST_F(EngineServiceTest, TheModelsOwnEndIsStop) {
  Start({}, {.end_one_in = 6});
  const Request request = RandomRequest(1, 5, 150, sizes_);
  const HashingModel::Turn expected = HashingModel::ExpectedTurn(request, sizes_);
  ASSERT_EQ(expected.reason, FinishReason::kStop);
  Submit(*front_, request);
  EXPECT_EQ(AwaitLast(1).frames, expected.frames);
  const v1::Event finished = AwaitEvent(*front_, 1, v1::Event::kFinished).back();
  EXPECT_EQ(finished.finished().reason(), v1::STOP);
  EXPECT_EQ(finished.finished().frame_count(), expected.frames.size());
}

TEST_F(EngineServiceTest, RefusalsNameTheFieldOrTheLimit) {
  Start({}, {.max_seq_len = 100});
  Request bad_token = RandomRequest(1, 10, 5, sizes_);
  bad_token.token_ids[3] = 5000;
  Submit(*front_, bad_token);
  v1::Event::Failed failed = AwaitEvent(*front_, 1, v1::Event::kFailed).back().failed();
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(failed.reason(), "INVALID_FIELD");
  EXPECT_THAT(failed.message(), HasSubstr("submit.generate.token_ids"));

  Submit(*front_, RandomRequest(2, 60, 41, sizes_));
  failed = AwaitEvent(*front_, 2, v1::Event::kFailed).back().failed();
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(failed.reason(), "CONTEXT_TOO_LONG");
  EXPECT_THAT(failed.message(), HasSubstr("max_seq_len 100"));

  Submit(*front_, RandomRequest(3, 60, 40, sizes_));
  EXPECT_THAT(AwaitLast(3).frames, SizeIs(40));
  AwaitMetric("shoal_turns_total{outcome=\"refused\"}", 2);
}

TEST_F(EngineServiceTest, WorkOfAnotherKindIsRefused) {
  Start();
  transport::Message message;
  message.envelope.mutable_submit()->mutable_stream()->set_low(1);
  message.envelope.mutable_submit()->set_priority(v1::PLAYBACK);
  message.envelope.mutable_submit()->mutable_decode();
  ASSERT_TRUE(front_->channel().Send(engine(), std::move(message)).ok());
  EXPECT_THAT(AwaitEvent(*front_, 1, v1::Event::kFailed).back().failed().message(),
              HasSubstr("submit.work"));
}

TEST_F(EngineServiceTest, WhatTheChannelCannotPassIsAnswered) {
  Start();
  // The front may see the engine before the engine sees the front; an answer proves both.
  Submit(*front_, RandomRequest(2, 10, 5, sizes_));
  AwaitEvent(*front_, 2, v1::Event::kAccepted);
  transport::Message message = SubmitOf(RandomRequest(1, 10, 5, sizes_));
  message.envelope.mutable_submit()->mutable_generate()->set_pinned_length(11);
  ASSERT_TRUE(front_->channel().Send(engine(), std::move(message)).ok());
  const v1::Event::Failed failed = AwaitEvent(*front_, 1, v1::Event::kFailed).back().failed();
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(failed.reason(), "INVALID_FIELD");
  EXPECT_THAT(failed.message(), HasSubstr("submit.generate.pinned_length"));
}

TEST_F(EngineServiceTest, AFullEngineRefusesAndTakesAgainAfterACancel) {
  Start(GateAt(2, {.max_running = 1, .max_waiting = 1}));
  std::vector<Request> requests;
  for (uint64_t stream = 1; stream <= 4; ++stream) {
    requests.push_back(RandomRequest(stream, 10, 5, sizes_));
  }
  Submit(*front_, requests[0]);
  AwaitFrames(1, 2);
  Submit(*front_, requests[1]);
  AwaitEvent(*front_, 2, v1::Event::kAccepted);
  Submit(*front_, requests[2]);
  const v1::Event refused = AwaitEvent(*front_, 3, v1::Event::kFailed).back();
  EXPECT_EQ(refused.failed().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(refused.failed().message(), HasSubstr("--max-batch 1"));
  EXPECT_EQ(refused.failed().reason(), "STAGES_BUSY");
  EXPECT_GT(refused.failed().retry_after_seconds(), 0);

  Cancel(*front_, requests[0]);
  EXPECT_EQ(AwaitEvent(*front_, 1, v1::Event::kFinished).back().finished().reason(), v1::CANCELLED);
  Submit(*front_, requests[3]);
  AwaitEvent(*front_, 4, v1::Event::kAccepted);
  OpenGate();
  EXPECT_THAT(AwaitLast(2).frames, SizeIs(5));
  EXPECT_THAT(AwaitLast(4).frames, SizeIs(5));
  EXPECT_FALSE(HeardOf(vocoder_->received(), 1).last) << "a cancelled turn has no last frame";
}

TEST_F(EngineServiceTest, EightTurnsAtTheGateAreEightRowsOfAStep) {
  Start(GateAt(3, {.max_running = 8}), {.num_blocks = 64});
  std::vector<Request> requests;
  for (uint64_t stream = 1; stream <= 8; ++stream) {
    requests.push_back(RandomRequest(stream, static_cast<int>(4 * stream), 10, sizes_));
    Submit(*front_, requests.back());
  }
  for (const Request& request : requests) AwaitFrames(request.stream.low, 3);
  AwaitMetric("shoal_frames_generated_total", 24);
  AwaitMetric("shoal_requests_running", 8);
  OpenGate();
  for (const Request& request : requests) {
    EXPECT_EQ(AwaitLast(request.stream.low).frames,
              HashingModel::ExpectedTurn(request, sizes_).frames);
  }
  const std::string bucket = "shoal_batch_size_bucket{stage=\"ar_engine\",le=";
  EXPECT_GE(Metric(bucket + "\"8\"}") - Metric(bucket + "\"7\"}"), 6);
}

TEST_F(EngineServiceTest, AHeldEngineMakesProgressAndStaysUp) {
  Start(GateAt(1));
  Submit(*front_, RandomRequest(1, 4, 3, sizes_));
  AwaitFrames(1, 1);
  // Well past the channel's limit on a busy process that stands still, as the front sees it.
  const auto heartbeat = [&] {
    for (const transport::Peer& peer : front_->channel().peers()) {
      if (peer.incarnation == engine()) return peer.heartbeat;
    }
    return v1::Heartbeat();
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  uint64_t busy_step = 0;
  while (busy_step == 0 && std::chrono::steady_clock::now() < end) {
    if (heartbeat().busy()) busy_step = heartbeat().step();
  }
  ASSERT_GT(busy_step, 0u);
  while (heartbeat().step() < busy_step + 20 && std::chrono::steady_clock::now() < end) {
  }
  EXPECT_GE(heartbeat().step(), busy_step + 20);
  EXPECT_EQ(heartbeat().running(), 1u);
  EXPECT_TRUE(front_->IsUp(engine()));
}

TEST_F(EngineServiceTest, AFrontThatGoesAwayTakesItsTurnsWithIt) {
  Start(GateAt(1, {.max_running = 1}));
  Submit(*front_, RandomRequest(1, 10, 5, sizes_));
  AwaitFrames(1, 1);
  const std::unique_ptr<PipelinePeer> other = NewFront();
  Submit(*other, RandomRequest(2, 10, 5, sizes_));
  AwaitEvent(*other, 2, v1::Event::kAccepted);
  front_.reset();
  AwaitEvent(*other, 2, v1::Event::kStarted);  // in the place of the turn that went
  AwaitFrames(2, 1);
  AwaitMetric("shoal_requests_running", 1);
  AwaitMetric("shoal_turns_total{outcome=\"cancelled\"}", 1);
}

TEST_F(EngineServiceTest, OneFrontCannotCancelAnothersStream) {
  Start(GateAt(1));
  const Request request = RandomRequest(1, 10, 5, sizes_);
  Submit(*front_, request);
  AwaitFrames(1, 1);
  const std::unique_ptr<PipelinePeer> other = NewFront();
  Cancel(*other, request);
  Submit(*other, RandomRequest(2, 10, 5, sizes_));  // after the cancel, so that it was seen
  AwaitFrames(2, 1);
  OpenGate();
  EXPECT_THAT(AwaitLast(1).frames, SizeIs(5));
}

TEST_F(EngineServiceTest, AVocoderThatGoesAwayFailsItsTurns) {
  Start(GateAt(1));
  Submit(*front_, RandomRequest(1, 10, 5, sizes_));
  AwaitFrames(1, 1);
  vocoder_.reset();
  const v1::Event failed = AwaitEvent(*front_, 1, v1::Event::kFailed).back();
  EXPECT_EQ(failed.failed().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(failed.failed().reason(), "VOCODER_LOST");
  AwaitMetric("shoal_kv_blocks{state=\"used\"}", 0);
}

TEST_F(EngineServiceTest, ARepeatedSubmitIsDroppedAndAHigherAttemptTakesOver) {
  Start(GateAt(1));
  Request request = RandomRequest(1, 10, 5, sizes_);
  request.attempt = 1;
  Submit(*front_, request);
  AwaitFrames(1, 1);
  Submit(*front_, request);
  Request stale = request;
  stale.attempt = 0;
  Submit(*front_, stale);
  Request next_turn = request;
  next_turn.turn = 1;
  Submit(*front_, next_turn);
  EXPECT_THAT(AwaitEvent(*front_, 1, v1::Event::kFailed).back().failed().message(),
              HasSubstr("turn 0 of this stream has not ended"));
  AwaitMetric("shoal_stage_messages_unexpected_total", 2);
  AwaitMetric("shoal_requests_running", 1);

  Request higher = request;
  higher.attempt = 2;
  Submit(*front_, higher);
  const std::vector<v1::Event> events = AwaitEvent(*front_, 1, v1::Event::kFinished);
  const auto finished = std::find_if(events.begin(), events.end(),
                                     [](const v1::Event& event) { return event.has_finished(); });
  EXPECT_EQ(finished->attempt(), 1u);
  EXPECT_EQ(finished->finished().reason(), v1::CANCELLED);
  OpenGate();
  EXPECT_THAT(AwaitLast(1).frames, SizeIs(5));
}

TEST_F(EngineServiceTest, ASequenceWhoseLogitsAreNotFiniteFailsAlone) {
  Start(GateAt(1), {.broken_seeds = {2}});
  const Request good = RandomRequest(1, 10, 5, sizes_);
  Submit(*front_, good);
  Submit(*front_, RandomRequest(2, 10, 5, sizes_));
  const v1::Event failed = AwaitEvent(*front_, 2, v1::Event::kFailed).back();
  EXPECT_EQ(failed.failed().code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_EQ(failed.failed().reason(), "STAGE_FAILED");
  OpenGate();
  EXPECT_EQ(AwaitLast(1).frames, HashingModel::ExpectedTurn(good, sizes_).frames);
}

TEST_F(EngineServiceTest, DrainingRefusesNewTurnsAndFinishesTheOthers) {
  Start(GateAt(1));
  Submit(*front_, RandomRequest(1, 10, 5, sizes_));
  AwaitFrames(1, 1);
  service_->Drain();
  EXPECT_FALSE(service_->AwaitIdle(absl::ZeroDuration()));
  Submit(*front_, RandomRequest(2, 10, 5, sizes_));
  const v1::Event refused = AwaitEvent(*front_, 2, v1::Event::kFailed).back();
  EXPECT_EQ(refused.failed().code(), static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_EQ(refused.failed().reason(), "DRAINING");
  OpenGate();
  EXPECT_TRUE(service_->AwaitIdle(absl::Seconds(30)));
  EXPECT_THAT(AwaitLast(1).frames, SizeIs(5));
}

TEST_F(EngineServiceTest, AnIdleEngineDrainsAtOnce) {
  Start();
  service_->Drain();
  EXPECT_TRUE(service_->AwaitIdle(absl::Seconds(30)));
}

}  // namespace
}  // namespace shoal::engine
