#include "services/preprocess/front/routed_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/preprocess/errors/errors.h"
#include "services/preprocess/front/stage_errors.h"
#include "services/preprocess/front/stream_router.h"

namespace shoal::preprocess {

RoutedStream::RoutedStream(StreamRouter* router, Listener* listener,
                           pipeline::v1::Priority priority, const pipeline::v1::StreamId& id)
    : router_(router),
      listener_(listener),
      priority_(priority),
      id_(id),
      name_(absl::StrFormat("%016x%016x", id.high(), id.low())) {}

RoutedStream::~RoutedStream() { Close(); }

void RoutedStream::Close() {
  if (listener_ == nullptr) return;
  listener_ = nullptr;
  silence_.Reset();
  gap_.Reset();
  retry_.Reset();
  credit_.Reset();
  if (turn_ && turn_->engine != 0) SendCancel(turn_->engine, turn_number_);
  if (vocoder_ != 0) SendCancel(vocoder_, 0);
  ReleaseEngine();
  router_->peers_.Release(vocoder_);
  router_->Forget(*this);
}

void RoutedStream::SendCancel(uint64_t incarnation, uint32_t turn) {
  // A peer that is gone has freed everything already.
  router_->channel_->Send(incarnation, CancelMessage({id_, turn})).IgnoreError();
}

absl::Status RoutedStream::OpenDecoder() {
  for (;;) {
    const absl::StatusOr<uint64_t> vocoder =
        router_->peers_.Pick(pipeline::v1::VOCODER, refused_vocoders_);
    if (!vocoder.ok()) return vocoder.status();
    if (!router_->channel_->Send(*vocoder, OpenDecoderMessage(id_, priority_)).ok()) {
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

void RoutedStream::Speak(TurnRequest request, absl::Time first_audio_by) {
  turn_.emplace(Turn{.request = std::move(request),
                     .first_audio_by = first_audio_by,
                     .told = {},
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
    // Only the first audio of a call can be refused; what comes later waits its time.
    const absl::Duration wait =
        audio_out_ ? absl::InfiniteDuration() : turn_->first_audio_by - absl::Now();
    turn_->told = listener_->CreditNow();
    transport::Message message =
        GenerateMessage(turn_name(), priority_, turn_->request, turn_->told, wait, *vocoder);
    const absl::Status sent = router_->channel_->Send(*engine, std::move(message));
    if (!sent.ok()) {
      if (!AnotherMayTake(sent.code())) return sent;
      turn_->refused.insert(*engine);
      continue;
    }
    turn_->engine = *engine;
    router_->peers_.Take(*engine);
    // The vocoder plans with what the listener has from the turn's first frame on.
    if (turn_->told.frames > 0) {
      router_->channel_->Send(vocoder_, CreditMessage(turn_name(), turn_->told)).IgnoreError();
    }
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
    return Fail(StageFailed(event.failed(), audio_out_, router_->limits_.retry_after));
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
      turn_->request.prompt = {};
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
      return Fail(StageFailed(event.failed(), audio_out_, router_->limits_.retry_after));
    case pipeline::v1::Event::KIND_NOT_SET:
      return CountUnexpected();
  }
}

void RoutedStream::OnRefused(pipeline::v1::Stage stage, const pipeline::v1::Event::Failed& failed) {
  const absl::Status refusal = StageRefused(failed, router_->limits_.retry_after);
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
  WatchSilence();
  OnListenerMoved();
  if (!credit_.pending()) TellCreditAgain();
  CloseTurnIfComplete();
}

void RoutedStream::OnListenerMoved() {
  if (!turn_ || turn_->told.frames == 0) return;
  const TurnCredit credit = listener_->CreditNow();
  if (credit.frames >= turn_->told.frames + credit.useful_growth) SendCredit(credit);
}

void RoutedStream::SendCredit(const TurnCredit& credit) {
  // To whom it makes no difference any more drops it; what is lost on the way is told again soon.
  for (const uint64_t stage : {turn_->engine, vocoder_}) {
    if (stage == turn_->engine && (stage == 0 || turn_->finished)) continue;
    router_->channel_->Send(stage, CreditMessage(turn_name(), credit)).IgnoreError();
  }
  const bool grown = credit.frames > turn_->told.frames;
  turn_->told = credit;
  if (grown && !silence_.pending()) WatchSilence();
}

void RoutedStream::TellCreditAgain() {
  if (turn_->told.frames == 0) return;
  credit_ = router_->loop_->After(router_->limits_.credit_interval, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr || !self->turn_) return;
    self->SendCredit(self->listener_->CreditNow());
    self->TellCreditAgain();
  });
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
  if (how != pipeline::v1::STOP && how != pipeline::v1::MAX_FRAMES &&
      how != pipeline::v1::RUNAWAY) {
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
  credit_.Reset();
  listener_->OnTurnEnd(end);
}

bool RoutedStream::paused() const {
  if (!turn_ || turn_->told.frames == 0) return false;
  const uint32_t heard = turn_->audio.next_frame();
  if (heard < turn_->told.frames) return false;
  return !turn_->finished || heard < turn_->finished->frame_count();
}

void RoutedStream::WatchSilence() {
  // Stages that have done all that they were asked for owe nothing.
  if (paused()) return silence_.Reset();
  silence_ = router_->loop_->After(router_->limits_.stage_silence, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    const bool vocoder =
        self->decode_ == DecodeState::kAsked || (self->turn_ && self->turn_->finished.has_value());
    self->Fail(StageSilent(vocoder ? "vocoder" : "engine", self->audio_out_,
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
  const absl::Duration retry_after = router_->limits_.retry_after;
  if (incarnation == vocoder_) {
    return Fail(StageLost("vocoder", reason::kVocoderLost, why, audio_out_, retry_after));
  }
  if (turn_ && turn_->engine == incarnation) {
    Fail(StageLost("engine", reason::kEngineLost, why, audio_out_, retry_after));
  }
}

void RoutedStream::Fail(absl::Status status) {
  Listener* listener = listener_;
  if (listener == nullptr) return;
  const auto keep = shared_from_this();
  Close();
  listener->OnStreamFailed(status);
}

}  // namespace shoal::preprocess
