#include "services/preprocess/front/stream_router.h"

#include <sodium.h>

#include <vector>

#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

// The stream that a message is about; null when it is about none.
const pipeline::v1::StreamId* StreamOf(const pipeline::v1::Envelope& envelope) {
  switch (envelope.body_case()) {
    case pipeline::v1::Envelope::kAudio:
      return &envelope.audio().stream();
    case pipeline::v1::Envelope::kEvent:
      return &envelope.event().stream();
    default:
      return nullptr;
  }
}

}  // namespace

StreamRouter::StreamRouter(const RouterLimits& limits, FrontLoop* loop, FrontMetrics* metrics)
    : limits_(limits), loop_(loop), metrics_(metrics), peers_(limits.retry_after) {}

transport::Channel::Handlers StreamRouter::handlers() {
  transport::Channel::Handlers handlers;
  handlers.up = [this](const transport::Peer& peer) { loop_->Post([this, peer] { OnUp(peer); }); };
  handlers.down = [this](uint64_t incarnation, absl::string_view why) {
    loop_->Post([this, incarnation, why = std::string(why)] { OnDown(incarnation, why); });
  };
  handlers.message = [this](uint64_t from, transport::Message message) {
    loop_->Post([this, from, message = std::move(message)]() mutable {
      OnMessage(from, std::move(message));
    });
  };
  return handlers;
}

absl::Status StreamRouter::CheckAdmission() const {
  for (const pipeline::v1::Stage stage : {pipeline::v1::ENGINE, pipeline::v1::VOCODER}) {
    if (absl::Status status = peers_.Pick(stage, {}).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<RoutedStream>> StreamRouter::Open(RoutedStream::Listener* listener,
                                                                 pipeline::v1::Priority priority) {
  if (absl::Status status = CheckAdmission(); !status.ok()) return status;
  uint64_t bits[2];
  randombytes_buf(bits, sizeof(bits));
  pipeline::v1::StreamId id;
  id.set_high(bits[0]);
  id.set_low(bits[1]);
  std::shared_ptr<RoutedStream> stream(new RoutedStream(this, listener, priority, id));
  if (absl::Status status = stream->OpenDecoder(); !status.ok()) return status;
  streams_[{id.high(), id.low()}] = stream;
  return stream;
}

std::string StreamRouter::missing() const {
  const bool engine = peers_.Count(pipeline::v1::ENGINE) > 0;
  const bool vocoder = peers_.Count(pipeline::v1::VOCODER) > 0;
  if (engine && vocoder) return "";
  if (engine) return "no vocoder is up";
  return vocoder ? "no engine is up" : "no engine and no vocoder is up";
}

void StreamRouter::OnUp(const transport::Peer& peer) {
  peers_.Up(peer);
  if (peers_changed_) peers_changed_();
}

void StreamRouter::OnDown(uint64_t incarnation, const std::string& why) {
  peers_.Down(incarnation);
  std::vector<std::shared_ptr<RoutedStream>> streams;  // a failing stream takes itself out
  for (const auto& [key, stream] : streams_) {
    if (std::shared_ptr<RoutedStream> alive = stream.lock()) streams.push_back(std::move(alive));
  }
  for (const auto& stream : streams) stream->OnPeerDown(incarnation, why);
  if (peers_changed_) peers_changed_();
}

void StreamRouter::OnMessage(uint64_t from, transport::Message message) {
  const pipeline::v1::StreamId* id = StreamOf(message.envelope);
  const auto found = id == nullptr ? streams_.end() : streams_.find({id->high(), id->low()});
  const std::shared_ptr<RoutedStream> stream =
      found == streams_.end() ? nullptr : found->second.lock();
  if (stream == nullptr) {
    metrics_->stage_messages_unexpected.Increment();
    return;
  }
  stream->OnMessage(from, std::move(message));
}

void StreamRouter::Forget(const RoutedStream& stream) {
  streams_.erase({stream.id_.high(), stream.id_.low()});
}

}  // namespace shoal::preprocess
