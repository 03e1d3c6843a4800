// The engine on a real network of channels on loopback, between a front and a vocoder played by the
// test, with a model that hashes. For tests of EngineService.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_FIXTURE_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_FIXTURE_H_

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "services/ar_engine/policy/model_executor.h"
#include "services/ar_engine/service/engine_service.h"
#include "spdlog/spdlog.h"
#include "tests/services/ar_engine/policy/hashing_model.h"
#include "tests/services/ar_engine/policy/requests.h"
#include "tests/services/ar_engine/service/pipeline_peer.h"

namespace shoal::engine {

namespace v1 = pipeline::v1;
using shoal::testing::PipelinePeer;
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
    submit.set_priority(request.priority == Priority::kPlayback ? v1::PLAYBACK : v1::WHOLE_FILE);
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
    generate.set_pinned_length(request.pinned_length);
    generate.set_buffered_ms(1000 * request.buffered_seconds);
    generate.set_credit_frames(request.credit_frames);
    generate.set_runaway_frames(request.runaway_frames);
    generate.set_wait_limit_ms(1000 * request.wait_limit);
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

  // The front will take so many frames of this turn.
  void Credit(PipelinePeer& front, const Request& request, uint32_t frames) {
    transport::Message message;
    v1::AudioCredit& credit = *message.envelope.mutable_audio_credit();
    credit.mutable_stream()->set_high(request.stream.high);
    credit.mutable_stream()->set_low(request.stream.low);
    credit.set_turn(request.turn);
    credit.set_attempt(request.attempt);
    credit.set_frames(frames);
    ASSERT_TRUE(front.channel().Send(engine(), std::move(message)).ok());
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
    AwaitThat([&] { return Metric(series) == value; });
    EXPECT_EQ(Metric(series), value) << series;
  }
  void AwaitMetricAbove(const std::string& series, double value) const {
    AwaitThat([&] { return Metric(series) > value; });
    EXPECT_GT(Metric(series), value) << series;
  }
  static void AwaitThat(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
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

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_FIXTURE_H_
