#include "services/ar_engine/service/engine_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/stage/failed_event.h"
#include "spdlog/spdlog.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;
using stage::Because;

constexpr absl::Duration kGatePoll = absl::Milliseconds(5);
// While every turn is paused only a message can change anything; until one comes the step counter
// moves often enough to show that this thread is alive.
constexpr absl::Duration kPausedPoll = absl::Milliseconds(50);

// Turns that may be under way at once.
int StreamsOf(const Scheduler::Options& options) {
  return options.max_streams > 0 ? options.max_streams : options.max_running;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EngineService>> EngineService::Start(Options options,
                                                                    FrameModel* model,
                                                                    service::Metrics* metrics) {
  options.channel.self.set_stage(v1::ENGINE);
  options.channel.self.mutable_capacity()->set_streams(StreamsOf(options.scheduler));
  options.channel.self.mutable_capacity()->set_queue(options.scheduler.max_waiting);
  std::unique_ptr<EngineService> self(new EngineService(std::move(options), model, metrics));
  if (absl::Status started = self->stage_loop_.Start(); !started.ok()) return started;
  return self;
}

EngineService::EngineService(Options options, FrameModel* model, service::Metrics* metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      gate_(options_.test_gate),
      outlet_(&metrics_),
      engine_({.scheduler = options_.scheduler,
               .semantic_start = options_.sizes.semantic_start,
               .prefix_cache = options_.prefix_cache,
               .hold = [this](const Sequence& sequence) { return gate_.Holds(sequence); }},
              model, &outlet_),
      // Prompts can be large: no more of them wait than could be accepted.
      stage_loop_(
          {.channel = options_.channel,
           .inbox = {.max_submits = StreamsOf(options_.scheduler) + options_.scheduler.max_waiting},
           .step_bound = options_.step_bound},
          this) {
  metrics_.SetLoad(engine_);
}

absl::Duration EngineService::Step() {
  gate_.Look();
  const Engine::StepReport report = engine_.Step();
  if (report.rows > 0) metrics_.CountStep(report);
  if (engine_.idle()) return absl::InfiniteDuration();
  if (report.worked()) return absl::ZeroDuration();
  return options_.test_gate.frame >= 0 ? kGatePoll : kPausedPoll;
}

stage::Stage::Load EngineService::PublishLoad() {
  metrics_.SetLoad(engine_);
  return {.running = engine_.running(),
          .waiting = engine_.waiting(),
          .busy = !engine_.idle(),
          .idle = engine_.idle()};
}

void EngineService::FailAll() {
  engine_.Fail([](const Sequence&) { return true; },
               Because(absl::UnavailableError("the engine shuts down"), "DRAINING"));
}

void EngineService::Refuse(uint64_t from, const v1::Submit& submit, const absl::Status& why) {
  outlet_.Refuse(from, submit, why);
}

void EngineService::HandleMessage(uint64_t from, const transport::Message& message) {
  switch (message.envelope.body_case()) {
    case v1::Envelope::kSubmit:
      return HandleSubmit(from, message);
    case v1::Envelope::kAudioCredit:
      return HandleCredit(from, message.envelope.audio_credit());
    case v1::Envelope::kCancel:
      return HandleCancel(from, message.envelope.cancel());
    default:
      metrics_.unexpected_messages.Increment();
  }
}

void EngineService::HandleSubmit(uint64_t from, const transport::Message& message) {
  const v1::Submit& submit = message.envelope.submit();
  const StreamKey stream = {from, submit.stream().high(), submit.stream().low()};
  if (const Sequence* there = engine_.Find(stream); there != nullptr) {
    if (submit.attempt() < there->attempt() ||
        (submit.attempt() == there->attempt() && submit.turn() <= there->turn())) {
      return metrics_.unexpected_messages.Increment();  // a repeat
    }
    if (submit.attempt() == there->attempt()) {
      return outlet_.Refuse(
          from, submit,
          absl::FailedPreconditionError(
              absl::StrCat("submit.turn: turn ", there->turn(), " of this stream has not ended")));
    }
    engine_.Cancel([&](const Sequence& sequence) { return &sequence == there; });
  }
  if (absl::Status status = Accept(from, message); !status.ok())
    outlet_.Refuse(from, submit, status);
}

absl::Status EngineService::Accept(uint64_t from, const transport::Message& message) {
  if (stage_loop_.draining())
    return Because(absl::UnavailableError("the engine drains"), "DRAINING");
  const v1::Submit& submit = message.envelope.submit();
  if (!submit.has_generate()) {
    return absl::InvalidArgumentError("submit.work: an engine takes generate only");
  }
  absl::StatusOr<Request> request = ReadGenerate(message, from, options_.sizes);
  if (!request.ok()) return request.status();
  request->sampling.round_logits_to_bf16 = options_.round_logits_to_bf16;
  const StreamKey stream = request->stream;
  const v1::Peer& vocoder = submit.generate().vocoder();
  if (absl::Status status = stage_loop_.channel().Dial(vocoder.inbox(), vocoder.incarnation());
      !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("submit.generate.vocoder: ", status.message()));
  }
  if (absl::Status status = engine_.Submit(*std::move(request)); !status.ok()) {
    const bool never = status.code() == absl::StatusCode::kInvalidArgument;
    return never ? Because(status, "CONTEXT_TOO_LONG") : status;
  }
  outlet_.Open(*engine_.Find(stream), vocoder.incarnation(), message.envelope.traceparent());
  return absl::OkStatus();
}

void EngineService::HandleCredit(uint64_t from, const v1::AudioCredit& credit) {
  // News of a turn that has ended is on its way now and then, and means nothing.
  engine_.Update({from, credit.stream().high(), credit.stream().low()}, ReadCredit(credit));
}

void EngineService::HandleCancel(uint64_t from, const v1::Cancel& cancel) {
  const StreamKey stream = {from, cancel.stream().high(), cancel.stream().low()};
  engine_.Cancel([&](const Sequence& sequence) {
    return sequence.stream() == stream && sequence.turn() >= cancel.turn() &&
           sequence.attempt() <= cancel.attempt();
  });
}

void EngineService::HandlePeerDown(uint64_t incarnation, absl::string_view why) {
  const int cancelled = engine_.Cancel(
      [&](const Sequence& sequence) { return sequence.stream().front == incarnation; });
  const int failed = engine_.Fail(
      [&](const Sequence& sequence) { return outlet_.VocoderOf(sequence) == incarnation; },
      Because(absl::UnavailableError(absl::StrCat("the vocoder went away: ", why)),
              "VOCODER_LOST"));
  spdlog::warn("peer {:016x} went away ({}): {} turns cancelled, {} failed", incarnation,
               std::string(why), cancelled, failed);
}

}  // namespace shoal::engine
