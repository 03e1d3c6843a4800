#include "services/ar_engine/engine_service.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;

// Room for what must not be lost (cancels, peers that went down) behind the turns that wait.
constexpr size_t kInboundCapacity = 1 << 16;
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
  transport::Channel::Options channel = self->options_.channel;
  channel.heartbeat = [engine = self.get()] { return engine->Heartbeat(); };
  transport::Channel::Handlers handlers;
  handlers.up = [](const transport::Peer& peer) {
    spdlog::info("{} at {} is up", v1::Stage_Name(peer.stage), peer.inbox);
  };
  handlers.down = [engine = self.get()](uint64_t incarnation, absl::string_view why) {
    engine->Push({.kind = Inbound::Kind::kPeerDown, .from = incarnation, .why = std::string(why)});
  };
  // The channel has checked that the envelope's incarnation is the connection's.
  handlers.message = [engine = self.get()](uint64_t, transport::Message message) {
    const uint64_t from = message.envelope.incarnation();
    engine->OnMessage(from, std::move(message));
  };
  // Whoever waits for an answer gets one.
  handlers.malformed = [engine = self.get()](uint64_t from, const v1::Envelope& envelope,
                                             const absl::Status& why) {
    engine->OnMalformed(from, envelope, why);
  };
  auto started = transport::Channel::Start(std::move(channel), std::move(handlers));
  if (!started.ok()) return started.status();
  self->channel_ = *std::move(started);
  self->outlet_.Connect(self->channel_.get());
  self->model_thread_ = std::thread([engine = self.get()] { engine->Run(); });
  return self;
}

EngineService::EngineService(Options options, FrameModel* model, service::Metrics* metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      inbound_(kInboundCapacity),
      gate_(options_.test_gate),
      outlet_(&metrics_),
      engine_({.scheduler = options_.scheduler,
               .semantic_start = options_.sizes.semantic_start,
               .prefix_cache = options_.prefix_cache,
               .hold = [this](const Sequence& sequence) { return gate_.Holds(sequence); }},
              model, &outlet_) {
  metrics_.SetLoad(engine_);
}

EngineService::~EngineService() {
  inbound_.Close();
  if (model_thread_.joinable()) model_thread_.join();
}

void EngineService::Drain() {
  draining_ = true;
  Push({.kind = Inbound::Kind::kWake});
}

bool EngineService::AwaitIdle(absl::Duration limit) {
  std::unique_lock<std::mutex> lock(idle_mutex_);
  return became_idle_.wait_for(lock, absl::ToChronoNanoseconds(limit),
                               [this] { return idle_ && drains_seen_ > 0; });
}

void EngineService::OnMessage(uint64_t from, transport::Message message) {
  Inbound inbound = {.kind = Inbound::Kind::kMessage, .from = from, .message = std::move(message)};
  // Prompts can be large: no more of them lie here than could be accepted.
  if (inbound.message.envelope.has_submit()) {
    const int limit = StreamsOf(options_.scheduler) + options_.scheduler.max_waiting;
    if (queued_submits_.fetch_add(1) >= limit) {
      queued_submits_.fetch_sub(1);
      inbound.kind = Inbound::Kind::kOverflow;
      inbound.message.parts.clear();
    }
  }
  Push(std::move(inbound));
}

void EngineService::OnMalformed(uint64_t from, const v1::Envelope& envelope,
                                const absl::Status& why) {
  if (!envelope.has_submit()) return;
  Inbound inbound = {
      .kind = Inbound::Kind::kMalformed, .from = from, .why = std::string(why.message())};
  *inbound.message.envelope.mutable_submit()->mutable_stream() = envelope.submit().stream();
  inbound.message.envelope.mutable_submit()->set_turn(envelope.submit().turn());
  inbound.message.envelope.mutable_submit()->set_attempt(envelope.submit().attempt());
  Push(std::move(inbound));
}

void EngineService::Push(Inbound inbound) {
  if (!inbound_.TryPush(std::move(inbound)) && !inbound_.closed()) {
    spdlog::error("{} messages wait for the model thread: one is lost", inbound_.size());
  }
}

v1::Heartbeat EngineService::Heartbeat() const {
  v1::Heartbeat heartbeat;
  heartbeat.set_step(step_);
  heartbeat.set_busy(busy_);
  heartbeat.set_step_bound_seconds(absl::ToDoubleSeconds(options_.step_bound));
  heartbeat.set_running(running_);
  heartbeat.set_waiting(waiting_);
  heartbeat.set_draining(draining_);
  return heartbeat;
}

void EngineService::Run() {
  const absl::Duration nothing_to_run = options_.test_gate.frame >= 0 ? kGatePoll : kPausedPoll;
  absl::Duration wait = absl::InfiniteDuration();
  while (!inbound_.closed()) {
    for (Inbound& inbound : inbound_.PopAll(wait)) Handle(std::move(inbound));
    PublishLoad();
    gate_.Look();
    const Engine::StepReport report = engine_.Step();
    ++step_;
    if (report.rows > 0) metrics_.CountStep(report);
    PublishLoad();
    wait = engine_.idle()    ? absl::InfiniteDuration()
           : report.worked() ? absl::ZeroDuration()
                             : nothing_to_run;
  }
  engine_.Fail([](const Sequence&) { return true; },
               Because(absl::UnavailableError("the engine shuts down"), "DRAINING"));
  PublishLoad();
}

void EngineService::PublishLoad() {
  metrics_.SetLoad(engine_);
  running_ = engine_.running();
  waiting_ = engine_.waiting();
  busy_ = !engine_.idle();
  std::lock_guard<std::mutex> lock(idle_mutex_);
  if (idle_ == engine_.idle() && !draining_) return;
  idle_ = engine_.idle();
  became_idle_.notify_all();
}

void EngineService::Handle(Inbound inbound) {
  switch (inbound.kind) {
    case Inbound::Kind::kMessage:
      return HandleMessage(inbound.from, inbound.message);
    case Inbound::Kind::kOverflow:
      return outlet_.Refuse(inbound.from, inbound.message.envelope.submit(),
                            absl::ResourceExhaustedError("the engine is full"));
    case Inbound::Kind::kMalformed:
      return outlet_.Refuse(inbound.from, inbound.message.envelope.submit(),
                            absl::InvalidArgumentError(inbound.why));
    case Inbound::Kind::kPeerDown:
      return HandlePeerDown(inbound.from, inbound.why);
    case Inbound::Kind::kWake: {
      std::lock_guard<std::mutex> lock(idle_mutex_);
      ++drains_seen_;
      return;
    }
  }
}

void EngineService::HandleMessage(uint64_t from, const transport::Message& message) {
  switch (message.envelope.body_case()) {
    case v1::Envelope::kSubmit:
      --queued_submits_;
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
  if (draining_) return Because(absl::UnavailableError("the engine drains"), "DRAINING");
  const v1::Submit& submit = message.envelope.submit();
  if (!submit.has_generate()) {
    return absl::InvalidArgumentError("submit.work: an engine takes generate only");
  }
  absl::StatusOr<Request> request = ReadGenerate(message, from, options_.sizes);
  if (!request.ok()) return request.status();
  request->sampling.round_logits_to_bf16 = options_.round_logits_to_bf16;
  const StreamKey stream = request->stream;
  const v1::Peer& vocoder = submit.generate().vocoder();
  if (absl::Status status = channel_->Dial(vocoder.inbox(), vocoder.incarnation()); !status.ok()) {
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
