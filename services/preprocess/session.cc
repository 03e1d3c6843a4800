#include "services/preprocess/session.h"

#include <sodium.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/preprocess/errors.h"

namespace shoal::preprocess {
namespace {

constexpr size_t kMaxFlushIdBytes = 128;

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
  return reason == pipeline::v1::STOP ? tts::v1::FINISH_STOP : tts::v1::FINISH_MAX_FRAMES;
}

}  // namespace

Session::Session(const SessionContext* context, Kind kind, ClientLink* link,
                 std::function<void(Session*)> on_end)
    : context_(context),
      kind_(kind),
      link_(link),
      on_end_(std::move(on_end)),
      report_(context->metrics),
      outbox_(context->loop, context->options.session, link, [this] {
        Fail(WithReason(absl::AbortedError("the client takes its audio too slowly"),
                        reason::kClientTooSlow));
      }) {}

void Session::Start() {
  session_limit_ = context_->loop->After(context_->options.session.max_session, [this] {
    Fail(WithReason(absl::DeadlineExceededError("the session has lasted as long as one may"),
                    reason::kSessionTooLong));
  });
  WatchText();
  ReadMore();
}

void Session::OnRequest(absl::StatusOr<tts::v1::StreamingSynthesizeRequest> request) {
  reading_ = false;
  if (link_ == nullptr) return;
  text_stall_.Reset();
  const absl::Status status = request.ok() ? Take(*std::move(request)) : request.status();
  if (!status.ok()) return Fail(status);
  Pump();
  ReadMore();
}

absl::Status Session::Take(tts::v1::StreamingSynthesizeRequest request) {
  using Request = tts::v1::StreamingSynthesizeRequest;
  const auto before_config = [&](absl::string_view what) {
    return InvalidField("config",
                        absl::StrCat(what, " came first; expected config as the first message"),
                        reason::kConfigMissing);
  };
  switch (request.request_case()) {
    case Request::kConfig:
      if (config_) {
        return InvalidField("config", "came twice; expected it once, as the first message",
                            reason::kConfigRepeated);
      }
      return Configure(std::move(*request.mutable_config()));
    case Request::kText:
      if (!config_) return before_config("text");
      report_.OnText(static_cast<int64_t>(request.text().size()));
      return text_->AddText(std::move(*request.mutable_text()));
    case Request::kFlush:
      if (!config_) return before_config("flush");
      return TakeFlush(request.flush());
    case Request::REQUEST_NOT_SET:
      break;
  }
  return InvalidField("request", "the message is empty; expected config, text or flush");
}

absl::Status Session::TakeFlush(const tts::v1::Flush& flush) {
  if (flush.id().size() > kMaxFlushIdBytes) {
    return InvalidField("flush.id", absl::StrCat("has ", flush.id().size(),
                                                 " bytes; expected at most ", kMaxFlushIdBytes));
  }
  text_->AddFlush(flush.id());
  return absl::OkStatus();
}

absl::Status Session::Configure(tts::v1::SynthesisConfig config) {
  const RequestContext request = {.limits = context_->options.request,
                                  .codec_sample_rate = context_->model.sample_rate_hz,
                                  .max_seq_len = context_->model.max_seq_len,
                                  .residual_greedy = context_->options.residual_greedy};
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
  encoder_ = *std::move(encoder);
  text_ = *std::move(text);
  report_.OnConfig(config_->request_id, static_cast<int>(config_->references.size()));
  LoadReferences();
  return absl::OkStatus();
}

void Session::LoadReferences() {
  const size_t count = config_->references.size();
  references_.resize(count);
  references_missing_ = count;
  for (size_t i = 0; i < count; ++i) {
    std::weak_ptr<Session> weak = weak_from_this();
    reference_tickets_.push_back(context_->references->Get(
        std::move(config_->references[i].audio),
        [weak, i, loop = context_->loop](absl::StatusOr<SharedReference> reference) {
          loop->Post([weak, i, reference = std::move(reference)]() mutable {
            if (const auto self = weak.lock()) self->OnReference(i, std::move(reference));
          });
        }));
  }
  if (count == 0) Begin();
}

void Session::OnReference(size_t index, absl::StatusOr<SharedReference> reference) {
  if (link_ == nullptr) return;
  if (!reference.ok()) {
    if (reference.status().code() != absl::StatusCode::kInvalidArgument) {
      return Fail(reference.status());
    }
    return Fail(InvalidField(absl::StrCat("config.references[", index, "].audio"),
                             reference.status().message(), reason::kReferenceUnusable));
  }
  references_[index] = *std::move(reference);
  if (--references_missing_ == 0) {
    reference_tickets_.clear();
    Begin();
    Pump();
  }
}

void Session::Begin() {
  begun_ = true;
  tts::v1::StreamingSynthesizeResponse started;
  started.mutable_started()->set_request_id(config_->request_id);
  started.mutable_started()->set_seed(config_->sampling.seed());
  started.mutable_started()->set_sample_rate_hz(config_->sample_rate_hz);
  started.mutable_started()->set_encoding(config_->encoding);
  outbox_.Push(std::move(started));

  std::vector<Voice> voices;
  for (size_t i = 0; i < references_.size(); ++i) {
    for (const std::string& code : references_[i]->warnings) {
      tts::v1::StreamingSynthesizeResponse warning;
      warning.mutable_warning()->set_code(code);
      warning.mutable_warning()->set_message(
          absl::StrCat("config.references[", i, "].audio: ", WarningText(code)));
      outbox_.Push(std::move(warning));
    }
    voices.push_back({std::move(config_->references[i].transcript), std::move(references_[i])});
  }
  conversation_ = std::make_unique<Conversation>(context_->builder, context_->model.max_seq_len,
                                                 config_->max_frames, std::move(voices));
}

void Session::ReadMore() {
  if (link_ == nullptr || reading_ || input_ended_) return;
  // What is not read stays with the client.
  const size_t waiting = text_ ? text_->waiting() : 0;
  if (waiting >= static_cast<size_t>(context_->options.session.max_waiting_inputs)) return;
  reading_ = true;
  link_->ReadNext();
}

void Session::OnEndOfInput() {
  reading_ = false;
  input_ended_ = true;
  if (link_ == nullptr) return;
  text_stall_.Reset();
  if (!config_) {
    return Fail(InvalidField("config", "never came; expected config as the first message",
                             reason::kConfigMissing));
  }
  text_->End();
  Pump();
}

void Session::WatchText() {
  if (input_ended_ || text_stall_.pending()) return;
  text_stall_ = context_->loop->After(context_->options.session.text_stall, [this] {
    Fail(
        WithReason(absl::DeadlineExceededError("no text came for too long"), reason::kTextStalled));
  });
}

void Session::Pump() {
  while (link_ != nullptr && begun_ && !turn_running_ && !all_said_) {
    if (leaving_) {
      return Fail(RetryLater(absl::StatusCode::kUnavailable, reason::kDraining,
                             "the server is shutting down", context_->options.router.retry_after));
    }
    if (!outbox_.has_room()) return;  // OnWritten goes on
    absl::StatusOr<std::optional<TextQueue::Item>> item = text_->Next();
    if (!item.ok()) return Fail(item.status());
    if (!item->has_value()) {
      report_.OnIdle();
      WatchText();
      return;
    }
    switch ((*item)->kind) {
      case TextQueue::Item::Kind::kTurn:
        PlanTurn(std::move((*item)->text));
        break;
      case TextQueue::Item::Kind::kFlush:
        AnswerFlush((*item)->text);
        break;
      case TextQueue::Item::Kind::kEnd:
        EndWell();
        break;
    }
  }
}

void Session::PlanTurn(std::string text) {
  turn_running_ = true;
  turn_text_ = text;
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
  pipeline::v1::Sampling sampling = config_->sampling;
  sampling.set_max_frames(plan->max_frames);
  stream_->Speak(std::move(plan->prompt), sampling);
}

void Session::OnAudio(absl::Span<const float> pcm, absl::Span<const int32_t> codes) {
  turn_codes_.insert(turn_codes_.end(), codes.begin(), codes.end());
  report_.OnAudio(static_cast<double>(pcm.size()) / context_->model.sample_rate_hz);
  WriteAudio(encoder_->Encode(pcm));
}

void Session::WriteAudio(AudioEncoder::Chunk chunk) {
  if (chunk.data.empty()) return;
  tts::v1::StreamingSynthesizeResponse response;
  tts::v1::Audio& audio = *response.mutable_audio();
  audio.set_data(std::move(chunk.data));
  audio.set_sequence(next_sequence_++);
  // Between turns it is the tail, held back by the resampler, of the last one.
  audio.set_turn(turn_running_ ? turn_number_ : turn_number_ - 1);
  audio.set_first_sample(chunk.first_sample);
  outbox_.Push(std::move(response));
}

void Session::OnTurnEnd(const TurnEnd& end) {
  tts::v1::TurnResult result;
  result.set_finish_reason(PublicReason(end.reason));
  result.set_frames(end.frames);
  result.set_prompt_tokens(end.prompt_tokens);
  report_.OnTurnEnd(result);
  conversation_->Add(std::exchange(turn_text_, ""), turn_codes_);
  turn_codes_.clear();
  turn_running_ = false;
  ++turn_number_;
  Pump();
  ReadMore();
}

void Session::OnStreamFailed(const absl::Status& status) { Fail(status); }

void Session::AnswerFlush(const std::string& id) {
  WriteAudio(encoder_->Flush());
  tts::v1::StreamingSynthesizeResponse response;
  response.mutable_flushed()->set_id(id);
  outbox_.Push(std::move(response));
}

void Session::EndWell() {
  if (!report_.any_turn()) {
    return Fail(InvalidField("text", "the call had nothing to speak; expected some text",
                             reason::kTextEmpty));
  }
  stream_->Close();  // its slot is free while the client still listens
  WriteAudio(encoder_->Finish());
  tts::v1::StreamingSynthesizeResponse response;
  *response.mutable_done() = report_.Done();
  response.mutable_done()->set_samples(encoder_->samples());
  all_said_ = true;
  outbox_.Push(std::move(response));
}

void Session::OnWritten() {
  if (link_ == nullptr) return;
  outbox_.OnWritten();
  if (all_said_ && outbox_.empty()) return Finish(absl::OkStatus());
  Pump();
  ReadMore();
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
  reference_tickets_.clear();  // what nobody else waits for is not encoded to its end
  if (stream_ != nullptr) stream_->Close();
  outbox_.Close();
  text_stall_.Reset();
  session_limit_.Reset();
  report_.Close(status, stream_name_, begun_);
  std::exchange(link_, nullptr)->Finish(status);
  std::exchange(on_end_, nullptr)(this);
}

}  // namespace shoal::preprocess
