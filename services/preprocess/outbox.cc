#include "services/preprocess/outbox.h"

#include <utility>

namespace shoal::preprocess {
namespace {

int64_t AudioBytes(const tts::v1::StreamingSynthesizeResponse& response) {
  return static_cast<int64_t>(response.audio().data().size());
}

}  // namespace

Outbox::Outbox(FrontLoop* loop, const SessionLimits& limits, ClientLink* link,
               std::function<void()> too_slow)
    : loop_(loop), limits_(limits), link_(link), too_slow_(std::move(too_slow)) {}

void Outbox::Push(tts::v1::StreamingSynthesizeResponse response) {
  if (link_ == nullptr) return;
  waiting_bytes_ += AudioBytes(response);
  waiting_.push_back(std::move(response));
  WriteNext();
  if (!patience_.pending()) WatchClient();
  if (waiting_bytes_ > 2 * limits_.max_waiting_audio_bytes && !given_up_) {
    given_up_ = true;
    patience_ = loop_->After(absl::ZeroDuration(), too_slow_);
  }
}

void Outbox::OnWritten() {
  waiting_bytes_ -= in_flight_bytes_;
  in_flight_bytes_ = -1;
  WriteNext();
  WatchClient();
}

void Outbox::WriteNext() {
  if (link_ == nullptr || in_flight_bytes_ >= 0 || waiting_.empty()) return;
  tts::v1::StreamingSynthesizeResponse response = std::move(waiting_.front());
  waiting_.pop_front();
  in_flight_bytes_ = AudioBytes(response);
  link_->Write(std::move(response));
}

void Outbox::WatchClient() {
  if (link_ == nullptr || given_up_) return;
  if (waiting_bytes_ <= limits_.max_waiting_audio_bytes) return patience_.Reset();
  patience_ = loop_->After(limits_.client_stall, too_slow_);
}

void Outbox::Close() {
  link_ = nullptr;
  waiting_.clear();
  patience_.Reset();
}

}  // namespace shoal::preprocess
