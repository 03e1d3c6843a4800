#include "services/vocoder/audio_outlet.h"

#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "common/service/log.h"
#include "common/stage/failed_event.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;

void SetStream(const StreamKey& stream, v1::StreamId* id) {
  id->set_high(stream.high);
  id->set_low(stream.low);
}

}  // namespace

void AudioOutlet::Accept(const StreamKey& stream, const StreamOwner& owner, uint32_t turn,
                         const std::string& traceparent) {
  Sent& sent = sent_[stream];
  sent.traceparent = traceparent;
  transport::Message message;
  message.envelope.set_traceparent(traceparent);
  v1::Event& event = *message.envelope.mutable_event();
  SetStream(stream, event.mutable_stream());
  event.set_turn(turn);
  event.set_attempt(owner.attempt);
  event.set_sequence(sent.messages++);
  event.mutable_accepted();
  // A front that is gone is about to be reported down.
  channel_->Send(owner.front, std::move(message)).IgnoreError();
}

void AudioOutlet::Refuse(const StreamKey& stream, const StreamOwner& owner,
                         const absl::Status& why) {
  metrics_->refused.Increment();
  Log(stream, "refused", why.message());
  SendFailed(stream, owner, why);
}

void AudioOutlet::Forget(const StreamKey& stream) {
  metrics_->closed.Increment();
  Log(stream, "closed");
  sent_.erase(stream);
}

absl::Status AudioOutlet::OnAudio(const StreamKey& stream, const StreamOwner& owner,
                                  const DecodedRun& decoded) {
  Sent& sent = sent_.at(stream);
  transport::Message message;
  message.envelope.set_traceparent(sent.traceparent);
  v1::Audio& audio = *message.envelope.mutable_audio();
  SetStream(stream, audio.mutable_stream());
  audio.set_turn(decoded.run.turn);
  audio.set_attempt(owner.attempt);
  audio.set_frame(decoded.run.first);
  audio.set_first_sample(decoded.first_sample);
  audio.set_last(decoded.run.last);
  audio.set_sequence(sent.messages++);
  if (!decoded.run.frames.empty()) {
    std::vector<int32_t> codes;
    for (const FrameCodes& frame : decoded.run.frames) {
      codes.insert(codes.end(), frame.begin(), frame.end());
    }
    transport::AttachFloat32(message, audio.mutable_pcm(), decoded.pcm,
                             {static_cast<uint32_t>(decoded.pcm.size())});
    transport::AttachInt32(message, audio.mutable_codes(), codes,
                           {static_cast<uint32_t>(decoded.run.frames.size()),
                            static_cast<uint32_t>(decoded.run.frames[0].size())});
  }
  sent.samples += decoded.pcm.size();
  return channel_->Send(owner.front, std::move(message));
}

void AudioOutlet::OnFailed(const StreamKey& stream, const StreamOwner& owner,
                           const absl::Status& why) {
  metrics_->failed.Increment();
  Log(stream, "failed", why.message());
  SendFailed(stream, owner, why);
  sent_.erase(stream);
}

void AudioOutlet::SendFailed(const StreamKey& stream, const StreamOwner& owner,
                             const absl::Status& why) {
  transport::Message message;
  v1::Event& event = *message.envelope.mutable_event();
  SetStream(stream, event.mutable_stream());
  event.set_attempt(owner.attempt);
  if (const auto sent = sent_.find(stream); sent != sent_.end()) {
    message.envelope.set_traceparent(sent->second.traceparent);
    event.set_sequence(sent->second.messages++);
  }
  stage::SetFailed(why, event);
  channel_->Send(owner.front, std::move(message)).IgnoreError();
}

void AudioOutlet::Log(const StreamKey& stream, absl::string_view outcome,
                      absl::string_view why) const {
  const auto sent = sent_.find(stream);
  service::LogLine("stream")
      .Add("stream", absl::StrFormat("%016x%016x", stream.high, stream.low))
      .Add("outcome", outcome)
      .Add("why", why)
      .Add("samples", sent == sent_.end() ? uint64_t{0} : sent->second.samples)
      .Write();
}

}  // namespace shoal::vocoder
