// The engine on a real network of channels on loopback, between a front and a vocoder played by the
// test, with a model that hashes.
#include "services/ar_engine/engine_service.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/model_executor.h"
#include "spdlog/spdlog.h"
#include "tests/services/ar_engine/hashing_model.h"
#include "tests/services/ar_engine/pipeline_peer.h"
#include "tests/services/ar_engine/requests.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;
using shoal::testing::PipelinePeer;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Messages = PipelinePeer::Messages;

class EngineServiceTest : public ::testing::Test {
 protected:
  // Before any other thread, as main does it: the logger comes to be at its first use.
  EngineServiceTest() { spdlog::set_level(spdlog::level::warn); }
  ~EngineServiceTest() override { std::remove(gate_file_.c_str()); }

  void Start(EngineService::Options options = {}, HashingModel::Options sizes = {}) {
    sizes_ = sizes;
    model_.emplace(sizes);
    options.channel.bind = "tcp://127.0.0.1:*";
    options.channel.silence = absl::Seconds(20);
    options.sizes = {.num_codebooks = sizes.num_codebooks,
                     .vocab_size = sizes.semantic_start + sizes.n_semantic,
                     .codebook_entries = sizes.n_semantic,
                     .semantic_start = sizes.semantic_start,
                     .n_semantic = sizes.n_semantic};
    executor_.emplace(&*model_, ModelExecutor::Options{.semantic_start = sizes.semantic_start});
    auto service = EngineService::Start(std::move(options), &*executor_, &metrics_);
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    vocoder_.emplace(v1::VOCODER, std::vector<std::string>());
    front_ = NewFront();
  }

  std::unique_ptr<PipelinePeer> NewFront() {
    auto front = std::make_unique<PipelinePeer>(
        v1::FRONT, std::vector<std::string>{service_->channel().inbox()});
    front->AwaitUp(engine());
    return front;
  }

  // A gate that holds every sequence before it draws `frame`.
  EngineService::Options GateAt(int frame, Scheduler::Options scheduler = {}) {
    gate_file_ = ::testing::TempDir() + "/shoal-gate-" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::remove(gate_file_.c_str());
    EngineService::Options options;
    options.scheduler = scheduler;
    options.test_gate = {.frame = frame, .file = gate_file_};
    return options;
  }
  void OpenGate() { std::ofstream(gate_file_) << "open"; }

  uint64_t engine() const { return service_->channel().incarnation(); }

  transport::Message SubmitOf(const Request& request) {
    transport::Message message;
    v1::Submit& submit = *message.envelope.mutable_submit();
    submit.mutable_stream()->set_high(request.stream.high);
    submit.mutable_stream()->set_low(request.stream.low);
    submit.set_turn(request.turn);
    submit.set_attempt(request.attempt);
    submit.set_priority(v1::PLAYBACK);
    v1::Generate& generate = *submit.mutable_generate();
    const auto length = static_cast<uint32_t>(request.token_ids.size());
    const auto books = static_cast<uint32_t>(sizes_.num_codebooks);
    std::vector<int32_t> by_codebook(request.codes.size());
    for (uint32_t i = 0; i < length; ++i) {
      for (uint32_t k = 0; k < books; ++k) {
        by_codebook[k * length + i] = request.codes[i * books + k];
      }
    }
    transport::AttachInt32(message, generate.mutable_token_ids(), request.token_ids, {length});
    transport::AttachInt32(message, generate.mutable_codes(), by_codebook, {books, length});
    generate.set_prompt_length(request.prompt_length);
    generate.set_frame_ms(40);
    generate.mutable_vocoder()->set_inbox(vocoder_->channel().inbox());
    generate.mutable_vocoder()->set_incarnation(vocoder_->channel().incarnation());
    v1::Sampling& sampling = *generate.mutable_sampling();
    sampling.set_temperature(0.8f);
    sampling.set_top_p(0.8f);
    sampling.set_repetition_penalty(1);
    sampling.set_max_frames(request.max_frames);
    sampling.set_seed(request.sampling.seed);
    return message;
  }

  void Submit(PipelinePeer& front, const Request& request) {
    ASSERT_TRUE(front.channel().Send(engine(), SubmitOf(request)).ok());
  }

  void Cancel(PipelinePeer& front, const Request& request) {
    transport::Message message;
    v1::Cancel& cancel = *message.envelope.mutable_cancel();
    cancel.mutable_stream()->set_high(request.stream.high);
    cancel.mutable_stream()->set_low(request.stream.low);
    ASSERT_TRUE(front.channel().Send(engine(), std::move(message)).ok());
  }

  static std::vector<v1::Event> EventsOf(const Messages& messages, uint64_t stream) {
    std::vector<v1::Event> events;
    for (const transport::Message& message : messages) {
      if (!message.envelope.has_event()) continue;
      if (message.envelope.event().stream().low() == stream) {
        events.push_back(message.envelope.event());
      }
    }
    return events;
  }

  // All events of a stream once one of this kind has come.
  std::vector<v1::Event> AwaitEvent(PipelinePeer& front, uint64_t stream,
                                    v1::Event::KindCase kind) {
    return EventsOf(front.AwaitMessages(
                        "event " + std::to_string(kind) + " of stream " + std::to_string(stream),
                        [&](const Messages& messages) {
                          const auto events = EventsOf(messages, stream);
                          return std::any_of(events.begin(), events.end(), [&](const auto& event) {
                            return event.kind_case() == kind;
                          });
                        }),
                    stream);
  }

  struct Heard {
    std::vector<std::vector<int32_t>> frames;
    bool last = false;
  };
  // What the vocoder got of a stream, whose messages must be in order.
  static Heard HeardOf(const Messages& messages, uint64_t stream) {
    Heard heard;
    uint64_t sequence = 0;
    uint32_t attempt = 0;
    for (const transport::Message& message : messages) {
      const v1::Frame& frame = message.envelope.frame();
      if (!message.envelope.has_frame() || frame.stream().low() != stream) continue;
      if (frame.attempt() > attempt) {
        attempt = frame.attempt();
        sequence = 0;
        heard = {};
      }
      EXPECT_EQ(frame.sequence(), sequence++);
      EXPECT_EQ(frame.frame(), heard.frames.size());
      heard.last = frame.last();
      if (!frame.last()) heard.frames.push_back(*transport::ReadInt32(message, frame.codes(), 2));
    }
    return heard;
  }
  Heard AwaitLast(uint64_t stream) {
    return HeardOf(vocoder_->AwaitMessages(
                       "the last frame of stream " + std::to_string(stream),
                       [&](const Messages& messages) { return HeardOf(messages, stream).last; }),
                   stream);
  }
  Heard AwaitFrames(uint64_t stream, size_t count) {
    return HeardOf(vocoder_->AwaitMessages(std::to_string(count) + " frames",
                                           [&](const Messages& messages) {
                                             return HeardOf(messages, stream).frames.size() >=
                                                    count;
                                           }),
                   stream);
  }

  // The value of a line of /metrics.
  double Metric(const std::string& series) const {
    const std::string text = "\n" + metrics_.Serialize();
    const size_t at = text.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 2));
  }

  // Metrics follow the messages, so a test that has the message waits for the value.
  void AwaitMetric(const std::string& series, double value) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (Metric(series) != value && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    EXPECT_EQ(Metric(series), value) << series;
  }

  service::Metrics metrics_{"engine_service_test"};
  HashingModel::Options sizes_;
  std::optional<HashingModel> model_;
  std::optional<ModelExecutor> executor_;
  std::string gate_file_;
  std::unique_ptr<EngineService> service_;
  std::optional<PipelinePeer> vocoder_;
  std::unique_ptr<PipelinePeer> front_;
};

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
