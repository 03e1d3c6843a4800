#include "services/ar_engine/service/turn_outlet.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/service/log.h"
#include "common/stage/failed_event.h"

namespace shoal::engine {
namespace {

namespace v1 = pipeline::v1;

double Seconds(Engine::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string NameOf(const StreamKey& stream) {
  return absl::StrFormat("%016x%016x", stream.high, stream.low);
}

// Event and Frame name their turn alike.
template <typename Body>
void SetTurn(const Sequence& sequence, Body& body) {
  body.mutable_stream()->set_high(sequence.stream().high);
  body.mutable_stream()->set_low(sequence.stream().low);
  body.set_turn(sequence.turn());
  body.set_attempt(sequence.attempt());
}

void SetFailed(const absl::Status& why, v1::Event& event) {
  stage::SetFailed(why, event);
  event.mutable_failed()->set_retry_after_seconds(RetryAfterSeconds(why));
}

v1::FinishReason ToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return v1::STOP;
    case FinishReason::kMaxFrames:
      return v1::MAX_FRAMES;
    case FinishReason::kCancelled:
      return v1::CANCELLED;
    case FinishReason::kRunaway:
      return v1::RUNAWAY;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

}  // namespace

void TurnOutlet::Open(const Sequence& sequence, uint64_t vocoder, const std::string& traceparent) {
  routes_[sequence.stream()] = {.vocoder = vocoder, .traceparent = traceparent};
  transport::Message message;
  message.envelope.mutable_event()->mutable_accepted();
  SendEvent(sequence, std::move(message));
}

void TurnOutlet::Refuse(uint64_t front, const v1::Submit& submit, const absl::Status& why) {
  metrics_->refused.Increment();
  service::LogLine("turn")
      .Add("stream", NameOf({front, submit.stream().high(), submit.stream().low()}))
      .Add("turn", submit.turn())
      .Add("outcome", "refused")
      .Add("why", why.message())
      .Write();
  transport::Message answer;
  v1::Event& event = *answer.envelope.mutable_event();
  *event.mutable_stream() = submit.stream();
  event.set_turn(submit.turn());
  event.set_attempt(submit.attempt());
  SetFailed(why, event);
  channel_->Send(front, std::move(answer)).IgnoreError();  // gone: then nobody waits for it
}

void TurnOutlet::OnStarted(const Sequence& sequence) {
  metrics_->queue_seconds.Observe(Seconds(sequence.started - sequence.submitted));
  transport::Message message;
  v1::Event::Started& started = *message.envelope.mutable_event()->mutable_started();
  started.set_cached_tokens(static_cast<uint32_t>(sequence.cached_positions()));
  SendEvent(sequence, std::move(message));
}

absl::Status TurnOutlet::OnFrame(const Sequence& sequence, uint32_t frame,
                                 absl::Span<const int32_t> codes) {
  transport::Message message;
  v1::Frame& body = *message.envelope.mutable_frame();
  body.set_frame(frame);
  transport::AttachInt32(message, body.mutable_codes(), codes,
                         {1, static_cast<uint32_t>(codes.size())});
  return SendFrame(sequence, std::move(message));
}

absl::Status TurnOutlet::SendLast(const Sequence& sequence) {
  transport::Message message;
  message.envelope.mutable_frame()->set_frame(sequence.frames());
  message.envelope.mutable_frame()->set_last(true);
  return SendFrame(sequence, std::move(message));
}

void TurnOutlet::OnFinished(const Sequence& sequence, FinishReason reason) {
  const Engine::Clock::time_point now = Engine::Clock::now();
  const bool drew = sequence.first_frame != Engine::Clock::time_point();
  if (drew) metrics_->prefill_seconds.Observe(Seconds(sequence.first_frame - sequence.started));
  if (reason != FinishReason::kCancelled) {
    if (absl::Status sent = SendLast(sequence); !sent.ok()) return OnFailed(sequence, sent);
  }
  transport::Message message;
  v1::Event::Finished& finished = *message.envelope.mutable_event()->mutable_finished();
  finished.set_reason(ToProto(reason));
  finished.set_frame_count(sequence.frames());
  finished.set_prompt_tokens(sequence.prompt_length());
  if (sequence.has_started) {
    finished.set_queue_seconds(Seconds(sequence.started - sequence.submitted));
  }
  if (drew) {
    finished.set_prefill_seconds(Seconds(sequence.first_frame - sequence.started));
    finished.set_decode_seconds(Seconds(now - sequence.first_frame));
  }
  SendEvent(sequence, std::move(message));
  switch (reason) {
    case FinishReason::kStop:
      return Close(sequence, "stop", metrics_->stopped);
    case FinishReason::kMaxFrames:
      return Close(sequence, "max_frames", metrics_->at_frame_limit);
    case FinishReason::kCancelled:
      return Close(sequence, "cancelled", metrics_->cancelled);
    case FinishReason::kRunaway:
      return Close(sequence, "runaway", metrics_->runaway);
  }
}

void TurnOutlet::OnFailed(const Sequence& sequence, const absl::Status& why) {
  transport::Message message;
  SetFailed(why, *message.envelope.mutable_event());
  SendEvent(sequence, std::move(message));
  Close(sequence, "failed", metrics_->failed, why.message());
}

void TurnOutlet::SendEvent(const Sequence& sequence, transport::Message message) {
  Route& route = routes_.at(sequence.stream());
  SetTurn(sequence, *message.envelope.mutable_event());
  message.envelope.mutable_event()->set_sequence(route.events_sent++);
  message.envelope.set_traceparent(route.traceparent);
  // A front that is gone is about to be reported down.
  channel_->Send(sequence.stream().front, std::move(message)).IgnoreError();
}

absl::Status TurnOutlet::SendFrame(const Sequence& sequence, transport::Message message) {
  Route& route = routes_.at(sequence.stream());
  SetTurn(sequence, *message.envelope.mutable_frame());
  message.envelope.mutable_frame()->set_sequence(route.frames_sent++);
  message.envelope.set_traceparent(route.traceparent);
  const absl::Status sent = channel_->Send(route.vocoder, std::move(message));
  if (sent.ok()) return sent;
  return stage::Because(
      absl::UnavailableError(absl::StrCat("the vocoder does not take frames: ", sent.message())),
      "VOCODER_LOST");
}

void TurnOutlet::Close(const Sequence& sequence, absl::string_view outcome,
                       prometheus::Counter& counter, absl::string_view why) {
  counter.Increment();
  service::LogLine("turn")
      .Add("stream", NameOf(sequence.stream()))
      .Add("turn", sequence.turn())
      .Add("outcome", outcome)
      .Add("why", why)
      .Add("prompt_positions", sequence.prompt_length())
      .Add("cached_positions", sequence.cached_positions())
      .Add("frames", sequence.frames())
      .Add("seconds", Seconds(Engine::Clock::now() - sequence.submitted))
      .Write();
  routes_.erase(sequence.stream());
}

}  // namespace shoal::engine
