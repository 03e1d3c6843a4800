#include "services/vocoder/vocoder_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "common/stage/failed_event.h"
#include "spdlog/spdlog.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;

StreamKey KeyOf(const v1::StreamId& id) { return {id.high(), id.low()}; }

}  // namespace

absl::StatusOr<std::unique_ptr<VocoderService>> VocoderService::Start(Options options,
                                                                      FrameDecoder* decoder,
                                                                      service::Metrics* metrics) {
  options.channel.self.set_stage(v1::VOCODER);
  options.channel.self.mutable_capacity()->set_streams(decoder->num_slots());
  options.channel.self.mutable_limits()->set_replay_frames(decoder->replay_frames());
  std::unique_ptr<VocoderService> self(new VocoderService(std::move(options), decoder, metrics));
  if (absl::Status started = self->stage_loop_.Start(); !started.ok()) return started;
  return self;
}

VocoderService::VocoderService(Options options, FrameDecoder* decoder, service::Metrics* metrics)
    : options_(std::move(options)),
      sizes_({.num_codebooks = decoder->num_codebooks(),
              .frame_length = decoder->frame_length(),
              .replay_frames = decoder->replay_frames(),
              .max_stream_frames = options_.loop.max_stream_frames}),
      metrics_(metrics),
      outlet_(&metrics_),
      loop_(options_.loop, decoder, &outlet_),
      stage_loop_({.channel = options_.channel, .step_bound = options_.step_bound}, this) {
  metrics_.SetLoad(loop_);
}

absl::Duration VocoderService::Step() {
  metrics_.CountStep(loop_.Step([this] { stage_loop_.Receive(); }));
  const std::optional<DecodeLoop::Clock::duration> next = loop_.TimeUntilWork();
  return next.has_value() ? absl::FromChrono(*next) : absl::InfiniteDuration();
}

stage::Stage::Load VocoderService::PublishLoad() {
  metrics_.SetLoad(loop_);
  return {.running = loop_.open_streams(),
          .busy = loop_.TimeUntilWork() == DecodeLoop::Clock::duration::zero(),
          .idle = loop_.open_streams() == 0};
}

void VocoderService::FailAll() {
  loop_.FailAll([](const StreamOwner&) { return true; },
                absl::UnavailableError("the vocoder shuts down"));
}

void VocoderService::Refuse(uint64_t from, const v1::Submit& submit, const absl::Status& why) {
  outlet_.Refuse(KeyOf(submit.stream()), {.front = from, .attempt = submit.attempt()}, why);
}

void VocoderService::HandleMessage(uint64_t from, const transport::Message& message) {
  switch (message.envelope.body_case()) {
    case v1::Envelope::kSubmit:
      return HandleSubmit(from, message);
    case v1::Envelope::kFrame:
      return HandleFrame(message);
    case v1::Envelope::kAudioCredit:
      return HandleCredit(from, message.envelope.audio_credit());
    case v1::Envelope::kResume:
      return HandleResume(from, message.envelope.resume());
    case v1::Envelope::kCancel:
      return HandleCancel(from, message.envelope.cancel());
    default:
      metrics_.unexpected_messages.Increment();
  }
}

void VocoderService::HandleSubmit(uint64_t from, const transport::Message& message) {
  const v1::Submit& submit = message.envelope.submit();
  const StreamKey stream = KeyOf(submit.stream());
  const StreamOwner owner = {.front = from, .attempt = submit.attempt()};
  const absl::StatusOr<StreamStart> start = ReadStart(message, sizes_);
  if (!start.ok()) return outlet_.Refuse(stream, owner, start.status());
  const StreamOwner* former = loop_.Find(stream);
  const bool replaces =
      former != nullptr && former->front == from && former->attempt < owner.attempt;
  if (stage_loop_.draining() && !replaces) {
    return outlet_.Refuse(stream, owner,
                          stage::Because(absl::UnavailableError("the vocoder drains"), "DRAINING"));
  }
  if (replaces) loop_.Close(stream);
  if (absl::Status opened = loop_.Open(stream, owner, *start); !opened.ok()) {
    return outlet_.Refuse(stream, owner, opened);
  }
  if (start->position > 0) metrics_.rebuilt_at_submit.Increment();
  outlet_.Accept(stream, owner, start->turn, message.envelope.traceparent());
}

void VocoderService::HandleFrame(const transport::Message& message) {
  const v1::Frame& frame = message.envelope.frame();
  const StreamKey stream = KeyOf(frame.stream());
  FrameQueue::Arrival arrival = {
      .turn = frame.turn(), .first = frame.frame(), .frames = {}, .last = frame.last()};
  if (frame.has_codes()) {
    const auto codes = transport::ReadInt32(message, frame.codes(), /*rank=*/2);
    if (!codes.ok() || frame.codes().shape(1) != static_cast<uint32_t>(sizes_.num_codebooks)) {
      return metrics_.unexpected_messages.Increment();
    }
    for (auto at = codes->begin(); at != codes->end(); at += sizes_.num_codebooks) {
      arrival.frames.emplace_back(at, at + sizes_.num_codebooks);
    }
  }
  const StreamOwner* owner = loop_.Find(stream);
  if (owner == nullptr) {
    return metrics_.unknown_stream_frames.Increment(static_cast<double>(arrival.frames.size()));
  }
  const auto frames = static_cast<double>(arrival.frames.size());
  if (frame.attempt() < owner->attempt) return metrics_.other_attempt_frames.Increment(frames);
  if (frame.attempt() > owner->attempt) {
    if (!loop_.PushAhead(stream, frame.attempt(), std::move(arrival))) {
      metrics_.other_attempt_frames.Increment(frames);
    }
    return;
  }
  metrics_.repeated_frames.Increment(loop_.Push(stream, std::move(arrival)));
}

void VocoderService::HandleCredit(uint64_t from, const v1::AudioCredit& credit) {
  const StreamKey stream = KeyOf(credit.stream());
  const StreamOwner* owner = loop_.Find(stream);
  const ListenerNews news = {
      .turn = credit.turn(),
      .frames = credit.frames(),
      .buffered = ListenerBuffer::Seconds(credit.buffered_ms() / 1000),
      .next_frame = credit.next_frame(),
  };
  if (owner == nullptr || owner->front != from || owner->attempt != credit.attempt() ||
      !loop_.Hear(stream, news)) {
    metrics_.old_credits.Increment();
  }
}

void VocoderService::HandleResume(uint64_t from, const v1::Resume& resume) {
  const StreamKey stream = KeyOf(resume.stream());
  const StreamOwner* owner = loop_.Find(stream);
  if (owner == nullptr || owner->front != from || owner->attempt >= resume.attempt()) {
    return metrics_.old_resumes.Increment();
  }
  metrics_.resumed.Increment();
  if (loop_.Resume(stream, resume.turn(), resume.attempt(), resume.cut())) {
    metrics_.rebuilt_at_resume.Increment();
  }
}

void VocoderService::HandleCancel(uint64_t from, const v1::Cancel& cancel) {
  const StreamKey stream = KeyOf(cancel.stream());
  const StreamOwner* owner = loop_.Find(stream);
  if (owner == nullptr || owner->front != from || owner->attempt > cancel.attempt()) return;
  loop_.Close(stream);
  outlet_.Forget(stream);
}

void VocoderService::HandlePeerDown(uint64_t incarnation, absl::string_view why) {
  const std::vector<StreamKey> closed =
      loop_.CloseAll([&](const StreamOwner& owner) { return owner.front == incarnation; });
  for (const StreamKey& stream : closed) outlet_.Forget(stream);
  spdlog::warn("peer {:016x} went away ({}): {} streams closed", incarnation, std::string(why),
               closed.size());
}

}  // namespace shoal::vocoder
