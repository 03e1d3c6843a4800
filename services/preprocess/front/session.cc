#include "services/preprocess/front/session.h"

#include <sodium.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

// 53 bits: exact in a JSON number, should it pass through one.
uint64_t DrawSeed() {
  uint64_t seed;
  randombytes_buf(&seed, sizeof(seed));
  return seed >> 11;
}

std::string DrawRequestId() {
  uint64_t id;
  randombytes_buf(&id, sizeof(id));
  return absl::StrFormat("%016x", id);
}

const char* WarningText(const std::string& code) {
  return code == "REFERENCE_CLIPPED"
             ? "the recording is clipped: the voice will sound harsh"
             : "the recording is very quiet: its noise will be copied along with the voice";
}

tts::v1::FinishReason PublicReason(pipeline::v1::FinishReason reason) {
  switch (reason) {
    case pipeline::v1::STOP:
      return tts::v1::FINISH_STOP;
    case pipeline::v1::RUNAWAY:
      return tts::v1::FINISH_RUNAWAY;
    default:
      return tts::v1::FINISH_MAX_FRAMES;
  }
}

// On the clock that audio is counted against.
double NowSeconds() {
  return std::chrono::duration<double>(FrontLoop::Clock::now().time_since_epoch()).count();
}

}  // namespace

Session::Session(const SessionContext* context, Kind kind, ClientLink* link,
                 std::function<void(Session*)> on_end)
    : context_(context),
      kind_(kind),
      link_(link),
      on_end_(std::move(on_end)),
      report_(context->metrics),
      outbox_(context->loop, context->options.session, link, &context->metrics->audio_waiting_bytes,
              [this] {
                Fail(WithReason(absl::AbortedError("the client takes its audio too slowly"),
                                reason::kClientTooSlow));
              }),
      input_(context->loop, context->options.session, link, [this] {
        Fail(WithReason(absl::DeadlineExceededError("no text came for too long"),
                        reason::kTextStalled));
      }) {}

void Session::Start() {
  session_limit_ = context_->loop->After(context_->options.session.max_session, [this] {
    Fail(WithReason(absl::DeadlineExceededError("the session has lasted as long as one may"),
                    reason::kSessionTooLong));
  });
  input_.WatchForStall();
  input_.ReadMore();
}

void Session::OnRequest(absl::StatusOr<tts::v1::StreamingSynthesizeRequest> request) {
  input_.OnAnswer();
  if (link_ == nullptr) return;
  if (!request.ok()) return Fail(request.status());
  const bool is_text = request->has_text();
  const auto text_bytes = static_cast<int64_t>(request->text().size());
  absl::StatusOr<std::optional<tts::v1::SynthesisConfig>> config = input_.Take(*std::move(request));
  absl::Status status = config.status();
  if (status.ok() && config->has_value()) status = Configure(**std::move(config));
  if (!status.ok()) return Fail(status);
  if (is_text) report_.OnText(text_bytes);
  Pump();
  input_.ReadMore();
}

void Session::OnEndOfInput() {
  input_.OnAnswer();
  if (link_ == nullptr) return;
  if (absl::Status status = input_.End(); !status.ok()) return Fail(status);
  Pump();
}

absl::Status Session::Configure(tts::v1::SynthesisConfig config) {
  const RequestContext request = {.limits = context_->options.request,
                                  .codec_sample_rate = context_->model.sample_rate_hz,
                                  .max_seq_len = context_->model.max_seq_len,
                                  .sampling = context_->model.sampling};
  absl::StatusOr<SessionConfig> checked = CheckConfig(std::move(config), request);
  if (!checked.ok()) return checked.status();
  if (absl::Status status = context_->router->CheckAdmission(); !status.ok()) return status;

  absl::StatusOr<AudioEncoder> encoder =
      AudioEncoder::Create({.encoding = checked->encoding,
                            .codec_rate = context_->model.sample_rate_hz,
                            .output_rate = checked->sample_rate_hz,
                            .streamed_header = kind_ == Kind::kStreamed});
  if (!encoder.ok()) return encoder.status();
  absl::StatusOr<TextQueue> text =
      TextQueue::Create(checked->chunk_length, context_->options.request.max_text_bytes);
  if (!text.ok()) return InvalidField("config.chunk_length", text.status().message());

  config_ = *std::move(checked);
  if (config_->request_id.empty()) config_->request_id = DrawRequestId();
  config_->sampling.set_seed(config_->seed.value_or(DrawSeed()));
  output_.emplace(*std::move(encoder), &outbox_);
  if (kind_ == Kind::kStreamed) {
    listener_.emplace(ListenerClock::Options{context_->options.session.max_waiting_audio_bytes,
                                             output_->bytes_per_second(),
                                             context_->model.frame_seconds()});
  }
  input_.Open(*std::move(text));
  report_.OnConfig(config_->request_id, static_cast<int>(config_->references.size()));
  loading_.emplace(context_->references, context_->loop, std::move(config_->references),
                   [this](absl::StatusOr<std::vector<Voice>> voices) {
                     if (!voices.ok()) return Fail(voices.status());
                     Begin(*std::move(voices));
                     Pump();
                   });
  return absl::OkStatus();
}

void Session::Begin(std::vector<Voice> voices) {
  begun_ = true;
  output_->Begin(*config_);
  for (size_t i = 0; i < voices.size(); ++i) {
    for (const std::string& code : voices[i].reference->warnings) {
      output_->Warn(code, absl::StrCat("config.references[", i, "].audio: ", WarningText(code)));
    }
  }
  conversation_ = std::make_unique<Conversation>(
      context_->builder, context_->model.max_seq_len, config_->max_frames,
      context_->model.sampling.max_frames(), std::move(voices));
}

void Session::Pump() {
  while (link_ != nullptr && begun_ && !turn_ && !all_said_) {
    if (leaving_) {
      return Fail(RetryLater(absl::StatusCode::kUnavailable, reason::kDraining,
                             "the server is shutting down", context_->options.router.retry_after));
    }
    if (!outbox_.has_room()) return;  // OnWritten goes on
    absl::StatusOr<std::optional<TextQueue::Item>> item = input_.Next();
    if (!item.ok()) return Fail(item.status());
    if (!item->has_value()) {
      report_.OnIdle();
      return;
    }
    switch ((*item)->kind) {
      case TextQueue::Item::Kind::kTurn:
        PlanTurn(std::move((*item)->text));
        break;
      case TextQueue::Item::Kind::kFlush:
        output_->AnswerFlush((*item)->text);
        break;
      case TextQueue::Item::Kind::kEnd:
        EndWell();
        break;
    }
  }
}

void Session::PlanTurn(std::string text) {
  turn_.emplace(Turn{.text = text});
  report_.OnTurnBegin();
  const bool taken = context_->text_workers->Submit([weak = weak_from_this(), loop = context_->loop,
                                                     conversation = std::move(conversation_),
                                                     text = std::move(text)]() mutable {
    absl::StatusOr<Conversation::Plan> plan = conversation->Next(text);
    loop->Post([weak, conversation = std::move(conversation), plan = std::move(plan)]() mutable {
      if (const auto self = weak.lock()) self->OnPlan(std::move(conversation), std::move(plan));
    });
  });
  if (!taken) {
    Fail(RetryLater(absl::StatusCode::kResourceExhausted, reason::kTooManyStreams,
                    "too many turns wait to be laid out", context_->options.router.retry_after));
  }
}

void Session::OnPlan(std::unique_ptr<Conversation> conversation,
                     absl::StatusOr<Conversation::Plan> plan) {
  if (link_ == nullptr) return;
  conversation_ = std::move(conversation);
  if (!plan.ok()) return Fail(plan.status());
  if (stream_ == nullptr) {
    absl::StatusOr<std::shared_ptr<RoutedStream>> stream = context_->router->Open(
        this, kind_ == Kind::kStreamed ? pipeline::v1::PLAYBACK : pipeline::v1::WHOLE_FILE);
    if (!stream.ok()) return Fail(stream.status());
    stream_ = *std::move(stream);
    stream_name_ = stream_->name();
  }
  if (listener_) listener_->BeginTurn();
  const SessionLimits& limits = context_->options.session;
  TurnRequest request = {.prompt = std::move(plan->prompt), .sampling = config_->sampling};
  request.sampling.set_max_frames(plan->max_frames);
  request.runaway_frames =
      RunawayFrames(limits.speech_length, turn_->text, context_->model.frame_seconds());
  absl::Time first_audio_by = link_->deadline();
  if (kind_ == Kind::kStreamed && limits.first_audio_wait > absl::ZeroDuration()) {
    first_audio_by = std::min(first_audio_by, absl::Now() + limits.first_audio_wait);
  }
  stream_->Speak(std::move(request), first_audio_by);
}

void Session::OnAudio(absl::Span<const float> pcm, absl::Span<const int32_t> codes) {
  turn_->codes.insert(turn_->codes.end(), codes.begin(), codes.end());
  report_.OnAudio(static_cast<double>(pcm.size()) / context_->model.sample_rate_hz);
  if (listener_) {
    listener_->OnFrames(static_cast<uint32_t>(codes.size() / context_->model.num_codebooks));
  }
  output_->Speak(turn_number_, pcm);
}

TurnCredit Session::CreditNow() {
  // What nobody listens to while it is made is limited by max_synthesize_bytes alone.
  return listener_ ? listener_->Now(NowSeconds(), outbox_.waiting_bytes()) : TurnCredit();
}

void Session::OnTurnEnd(const TurnEnd& end) {
  tts::v1::TurnResult result;
  result.set_finish_reason(PublicReason(end.reason));
  result.set_frames(end.frames);
  result.set_prompt_tokens(end.prompt_tokens);
  report_.OnTurnEnd(result);
  JudgeLength(end);
  // The model goes on as it is told that it has begun: babble is not told.
  if (end.reason != pipeline::v1::RUNAWAY) {
    conversation_->Add(std::move(turn_->text), turn_->codes);
  }
  turn_.reset();
  ++turn_number_;
  Pump();
  input_.ReadMore();
}

void Session::JudgeLength(const TurnEnd& end) {
  const double seconds = end.frames * context_->model.frame_seconds();
  const bool runaway = end.reason == pipeline::v1::RUNAWAY;
  const bool too_short = end.reason == pipeline::v1::STOP &&
                         TooShort(context_->options.session.speech_length, turn_->text, seconds);
  if (!runaway && !too_short) return;
  report_.OnSuspectTurn();
  context_->metrics->CountSuspectTurn(runaway ? "runaway" : "too_short");
  output_->Warn(
      runaway ? "RUNAWAY" : "AUDIO_TOO_SHORT",
      absl::StrFormat("turn %d %s %.2f s: its text has %d bytes, which nobody speaks so %s",
                      turn_number_, runaway ? "was ended after" : "lasts", seconds,
                      turn_->text.size(), runaway ? "long" : "fast"));
}

void Session::OnStreamFailed(const absl::Status& status) { Fail(status); }

void Session::EndWell() {
  if (!report_.any_turn()) {
    return Fail(InvalidField("text", "the call had nothing to speak; expected some text",
                             reason::kTextEmpty));
  }
  stream_->Close();  // its slot is free while the client still listens
  all_said_ = true;
  output_->End(report_.Done());
}

void Session::OnWritten() {
  if (link_ == nullptr) return;
  const int64_t bytes = outbox_.OnWritten();
  if (listener_) listener_->OnWritten(NowSeconds(), bytes);
  if (stream_ != nullptr) {
    if (stream_->paused()) report_.OnHeldUp();
    stream_->OnListenerMoved();
  }
  if (all_said_ && outbox_.empty()) return Finish(absl::OkStatus());
  Pump();
  input_.ReadMore();
}

void Session::OnClientGone() {
  Fail(WithReason(absl::CancelledError("the client went away"), reason::kClientGone));
}

void Session::EndBetweenTurns() {
  leaving_ = true;
  Pump();
}

void Session::Fail(const absl::Status& status) {
  if (link_ == nullptr) return;
  // A failure that nobody gave a reason for is a fault of this server.
  Finish(ReasonOf(status).empty() ? WithReason(status, reason::kInternal) : status);
}

void Session::Finish(const absl::Status& status) {
  const auto keep = shared_from_this();
  loading_.reset();
  if (stream_ != nullptr) stream_->Close();
  outbox_.Close();
  input_.Close();
  session_limit_.Reset();
  report_.Close(status, stream_name_, begun_);
  std::exchange(link_, nullptr)->Finish(status);
  std::exchange(on_end_, nullptr)(this);
}

}  // namespace shoal::preprocess
