#include "services/preprocess/routed_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/service/status_code.h"
#include "services/preprocess/errors.h"
#include "services/preprocess/stream_router.h"

namespace shoal::preprocess {
namespace {

// Only a stage that is full or about to leave may have a better one beside it.
bool AnotherMayTake(absl::StatusCode code) {
  return code == absl::StatusCode::kResourceExhausted || code == absl::StatusCode::kUnavailable;
}

absl::Status StatusOf(const pipeline::v1::Event::Failed& failed, absl::Duration retry_after) {
  absl::Status status = service::StatusFrom(failed.code(), failed.message());
  if (status.ok()) status = absl::InternalError("a stage failed without saying how");
  const std::string reason = failed.reason().empty() ? reason::kStageFailed : failed.reason();
  if (failed.retry_after_seconds() > 0) {
    return RetryLater(status.code(), reason, status.message(),
                      absl::Seconds(failed.retry_after_seconds()));
  }
  if (AnotherMayTake(status.code())) {
    return RetryLater(status.code(), reason, status.message(), retry_after);
  }
  return WithReason(std::move(status), reason);
}

}  // namespace

RoutedStream::RoutedStream(StreamRouter* router, Listener* listener,
                           pipeline::v1::Priority priority, uint64_t high, uint64_t low)
    : router_(router),
      listener_(listener),
      priority_(priority),
      high_(high),
      low_(low),
      name_(absl::StrFormat("%016x%016x", high, low)) {}

RoutedStream::~RoutedStream() { Close(); }

void RoutedStream::Close() {
  if (listener_ == nullptr) return;
  listener_ = nullptr;
  silence_.Reset();
  gap_.Reset();
  retry_.Reset();
  if (turn_ && turn_->engine != 0) SendCancel(turn_->engine, turn_number_);
  if (vocoder_ != 0) SendCancel(vocoder_, 0);
  ReleaseEngine();
  router_->peers_.Release(vocoder_);
  router_->Forget(*this);
}

void RoutedStream::SendCancel(uint64_t incarnation, uint32_t turn) {
  transport::Message message;
  pipeline::v1::Cancel& cancel = *message.envelope.mutable_cancel();
  cancel.mutable_stream()->set_high(high_);
  cancel.mutable_stream()->set_low(low_);
  cancel.set_turn(turn);
  // A peer that is gone has freed everything already.
  router_->channel_->Send(incarnation, std::move(message)).IgnoreError();
}

absl::Status RoutedStream::OpenDecoder() {
  for (;;) {
    const absl::StatusOr<uint64_t> vocoder =
        router_->peers_.Pick(pipeline::v1::VOCODER, refused_vocoders_);
    if (!vocoder.ok()) return vocoder.status();
    transport::Message message;
    pipeline::v1::Submit& submit = *message.envelope.mutable_submit();
    submit.mutable_stream()->set_high(high_);
    submit.mutable_stream()->set_low(low_);
    submit.set_priority(priority_);
    submit.mutable_decode();
    if (!router_->channel_->Send(*vocoder, std::move(message)).ok()) {
      refused_vocoders_.insert(*vocoder);
      continue;
    }
    vocoder_ = *vocoder;
    decode_ = DecodeState::kAsked;
    router_->peers_.Take(vocoder_);
    WatchSilence();
    return absl::OkStatus();
  }
}

void RoutedStream::Speak(Prompt prompt, const pipeline::v1::Sampling& sampling) {
  turn_.emplace(Turn{.prompt = std::move(prompt),
                     .sampling = sampling,
                     .refused = {},
                     .audio = TurnAudio(static_cast<size_t>(router_->limits_.max_held_chunks)),
                     .finished = std::nullopt});
  if (decode_ == DecodeState::kReady) SubmitOrWait();
}

void RoutedStream::SubmitOrWait() {
  const absl::Status status = SubmitTurn();
  if (status.ok()) return;
  // Before the first audio overload is told to the client; afterwards the turn waits its time.
  if (status.code() != absl::StatusCode::kResourceExhausted || !audio_out_) return Fail(status);
  retry_ = router_->loop_->After(router_->limits_.retry_after, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->turn_->refused.clear();
      self->SubmitOrWait();
    }
  });
}

absl::Status RoutedStream::SubmitTurn() {
  const transport::Peer* vocoder = router_->peers_.Find(vocoder_);
  for (;;) {
    const absl::StatusOr<uint64_t> engine =
        router_->peers_.Pick(pipeline::v1::ENGINE, turn_->refused);
    if (!engine.ok()) return engine.status();
    transport::Message message;
    pipeline::v1::Submit& submit = *message.envelope.mutable_submit();
    submit.mutable_stream()->set_high(high_);
    submit.mutable_stream()->set_low(low_);
    submit.set_turn(turn_number_);
    submit.set_priority(priority_);
    pipeline::v1::Generate& generate = *submit.mutable_generate();
    const Prompt& prompt = turn_->prompt;
    const auto length = static_cast<uint32_t>(prompt.length());
    transport::AttachInt32(message, generate.mutable_token_ids(), prompt.token_ids, {length});
    transport::AttachInt32(message, generate.mutable_codes(), prompt.codes,
                           {static_cast<uint32_t>(prompt.codes.size() / length), length});
    *generate.mutable_sampling() = turn_->sampling;
    generate.mutable_vocoder()->set_inbox(vocoder->inbox);
    generate.mutable_vocoder()->set_incarnation(vocoder_);
    generate.set_prompt_length(length);
    const pipeline::v1::ModelLimits& codec = vocoder->hello.limits();
    generate.set_frame_ms(1000.0 * codec.frame_length() / codec.sample_rate_hz());
    const absl::Status sent = router_->channel_->Send(*engine, std::move(message));
    if (!sent.ok()) {
      if (!AnotherMayTake(sent.code())) return sent;
      turn_->refused.insert(*engine);
      continue;
    }
    turn_->engine = *engine;
    router_->peers_.Take(*engine);
    WatchSilence();
    return absl::OkStatus();
  }
}

void RoutedStream::ReleaseEngine() {
  if (turn_ && turn_->engine != 0) {
    router_->peers_.Release(turn_->engine);
    turn_->engine = 0;
  }
}

bool RoutedStream::IsCurrent(uint32_t turn, uint32_t attempt) const {
  // There is one attempt until turns are resumed elsewhere.
  return turn_ && turn == turn_number_ && attempt == 0;
}

void RoutedStream::CountUnexpected() { router_->metrics_->stage_messages_unexpected.Increment(); }

void RoutedStream::OnMessage(uint64_t from, transport::Message message) {
  if (listener_ == nullptr) return CountUnexpected();
  if (from == vocoder_ && message.envelope.has_audio()) return OnAudio(std::move(message));
  if (from == vocoder_ && message.envelope.has_event()) {
    return OnVocoderEvent(message.envelope.event());
  }
  if (turn_ && turn_->engine == from && message.envelope.has_event()) {
    return OnEngineEvent(message.envelope.event());
  }
  CountUnexpected();
}

void RoutedStream::OnVocoderEvent(const pipeline::v1::Event& event) {
  if (event.has_failed()) {
    if (decode_ == DecodeState::kAsked) return OnRefused(pipeline::v1::VOCODER, event.failed());
    return FailAsTold(event.failed());
  }
  if (!event.has_accepted() || decode_ != DecodeState::kAsked) return CountUnexpected();
  decode_ = DecodeState::kReady;
  silence_.Reset();
  if (turn_) SubmitOrWait();
}

void RoutedStream::OnEngineEvent(const pipeline::v1::Event& event) {
  if (!IsCurrent(event.turn(), event.attempt())) return CountUnexpected();
  switch (event.kind_case()) {
    case pipeline::v1::Event::kAccepted:
      turn_->accepted = true;
      turn_->prompt = {};
      silence_.Reset();  // it may have to wait its turn for long
      return;
    case pipeline::v1::Event::kStarted:
      return WatchSilence();
    case pipeline::v1::Event::kFinished:
      turn_->finished = event.finished();
      WatchSilence();
      return CloseTurnIfComplete();
    case pipeline::v1::Event::kFailed:
      if (!turn_->accepted) return OnRefused(pipeline::v1::ENGINE, event.failed());
      return FailAsTold(event.failed());
    case pipeline::v1::Event::KIND_NOT_SET:
      return CountUnexpected();
  }
}

void RoutedStream::OnRefused(pipeline::v1::Stage stage, const pipeline::v1::Event::Failed& failed) {
  const absl::Status refusal = StatusOf(failed, router_->limits_.retry_after);
  if (!AnotherMayTake(refusal.code())) return Fail(refusal);
  if (stage == pipeline::v1::VOCODER) {
    refused_vocoders_.insert(vocoder_);
    router_->peers_.Release(vocoder_);
    vocoder_ = 0;
    // What the stage said is better than "all are busy".
    if (!OpenDecoder().ok()) Fail(refusal);
    return;
  }
  turn_->refused.insert(turn_->engine);
  ReleaseEngine();
  silence_.Reset();
  if (!audio_out_ && !router_->peers_.Pick(stage, turn_->refused).ok()) return Fail(refusal);
  SubmitOrWait();
}

void RoutedStream::OnAudio(transport::Message message) {
  const pipeline::v1::Audio& audio = message.envelope.audio();
  if (!IsCurrent(audio.turn(), audio.attempt())) return CountUnexpected();
  TurnAudio::Chunk chunk;
  chunk.frame = audio.frame();
  chunk.last = audio.last();
  if (audio.has_codes()) {  // the last chunk may be a mere end
    absl::StatusOr<std::vector<float>> pcm = transport::ReadFloat32(message, audio.pcm(), 1);
    absl::StatusOr<std::vector<int32_t>> codes = transport::ReadInt32(message, audio.codes(), 2);
    if (!pcm.ok() || !codes.ok()) return CountUnexpected();  // the channel has checked both
    chunk.frames = audio.codes().shape(0);
    chunk.pcm = *std::move(pcm);
    chunk.codes = *std::move(codes);
  }
  WatchSilence();

  std::vector<TurnAudio::Chunk> ready;
  const uint64_t repeats = turn_->audio.repeats();
  const absl::Status status = turn_->audio.Add(std::move(chunk), &ready);
  if (!status.ok()) return Fail(WithReason(status, reason::kFramesLost));
  if (turn_->audio.repeats() > repeats) CountUnexpected();
  WatchGap();
  for (const TurnAudio::Chunk& next : ready) {
    audio_out_ = true;
    listener_->OnAudio(next.pcm, next.codes);
    if (listener_ == nullptr) return;  // it has closed the stream
  }
  CloseTurnIfComplete();
}

void RoutedStream::CloseTurnIfComplete() {
  if (!turn_->finished) return;
  const uint32_t counted = turn_->finished->frame_count();
  const uint32_t heard = turn_->audio.next_frame();
  if (heard > counted || (turn_->audio.complete() && heard != counted)) {
    return Fail(
        WithReason(absl::DataLossError(absl::StrCat("the engine made ", counted, " frames of turn ",
                                                    turn_number_, ", the vocoder spoke ", heard)),
                   reason::kFramesLost));
  }
  if (!turn_->audio.complete()) return;
  const pipeline::v1::FinishReason how = turn_->finished->reason();
  if (how != pipeline::v1::STOP && how != pipeline::v1::MAX_FRAMES) {
    return Fail(
        WithReason(absl::InternalError(absl::StrCat("the engine broke off turn ", turn_number_,
                                                    ": ", pipeline::v1::FinishReason_Name(how))),
                   reason::kStageFailed));
  }
  const TurnEnd end{how, counted, turn_->finished->prompt_tokens()};
  ReleaseEngine();
  turn_.reset();
  ++turn_number_;
  silence_.Reset();
  gap_.Reset();
  listener_->OnTurnEnd(end);
}

void RoutedStream::WatchSilence() {
  silence_ = router_->loop_->After(router_->limits_.stage_silence, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    const bool vocoder =
        self->decode_ == DecodeState::kAsked || (self->turn_ && self->turn_->finished.has_value());
    self->Fail(RetryLater(absl::StatusCode::kUnavailable, reason::kStageSilent,
                          absl::StrCat("the ", vocoder ? "vocoder" : "engine",
                                       " has not answered; ", self->RetryAdvice()),
                          self->router_->limits_.retry_after));
  });
}

void RoutedStream::WatchGap() {
  if (!turn_->audio.has_gap()) return gap_.Reset();
  if (gap_.pending()) return;
  gap_ = router_->loop_->After(router_->limits_.gap, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || !self->turn_) return;
    self->Fail(WithReason(
        absl::DataLossError(absl::StrCat("audio of frame ", self->turn_->audio.next_frame(),
                                         " of turn ", self->turn_number_, " never came")),
        reason::kFramesLost));
  });
}

void RoutedStream::OnPeerDown(uint64_t incarnation, absl::string_view why) {
  if (listener_ == nullptr) return;
  if (incarnation == vocoder_) return FailLost("vocoder", reason::kVocoderLost, why);
  if (turn_ && turn_->engine == incarnation) FailLost("engine", reason::kEngineLost, why);
}

void RoutedStream::FailAsTold(const pipeline::v1::Event::Failed& failed) {
  absl::Status status = StatusOf(failed, router_->limits_.retry_after);
  if (status.code() == absl::StatusCode::kUnavailable) {
    status = RetryLater(status.code(), ReasonOf(status),
                        absl::StrCat(status.message(), "; ", RetryAdvice()),
                        router_->limits_.retry_after);
  }
  Fail(std::move(status));
}

void RoutedStream::FailLost(absl::string_view stage, const char* reason, absl::string_view why) {
  Fail(RetryLater(absl::StatusCode::kUnavailable, reason,
                  absl::StrCat("the ", stage, " went away (", why, "); ", RetryAdvice()),
                  router_->limits_.retry_after));
}

std::string RoutedStream::RetryAdvice() const {
  return audio_out_ ? "audio had been sent: a retry would speak from the beginning"
                    : "no audio had been sent: a retry is safe";
}

void RoutedStream::Fail(absl::Status status) {
  Listener* listener = listener_;
  if (listener == nullptr) return;
  const auto keep = shared_from_this();
  Close();
  listener->OnStreamFailed(status);
}

}  // namespace shoal::preprocess
