#include "services/preprocess/front/outbox.h"

#include <utility>

namespace shoal::preprocess {
namespace {

int64_t AudioBytes(const tts::v1::StreamingSynthesizeResponse& response) {
  return static_cast<int64_t>(response.audio().data().size());
}

}  // namespace

Outbox::Outbox(FrontLoop* loop, const SessionLimits& limits, ClientLink* link,
               prometheus::Gauge* waiting, std::function<void()> too_slow)
    : loop_(loop), limits_(limits), link_(link), gauge_(waiting), too_slow_(std::move(too_slow)) {}

void Outbox::Count(int64_t bytes) {
  waiting_bytes_ += bytes;
  gauge_->Increment(static_cast<double>(bytes));
}

void Outbox::Push(tts::v1::StreamingSynthesizeResponse response) {
  if (link_ == nullptr) return;
  Count(AudioBytes(response));
  waiting_.push_back(std::move(response));
  WriteNext();
  if (!patience_.pending()) WatchClient();
  if (waiting_bytes_ > 2 * limits_.max_waiting_audio_bytes && !given_up_) {
    given_up_ = true;
    patience_ = loop_->After(absl::ZeroDuration(), too_slow_);
  }
}

int64_t Outbox::OnWritten() {
  const int64_t written = in_flight_bytes_;
  Count(-written);
  in_flight_bytes_ = -1;
  WriteNext();
  WatchClient();
  return written;
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
  if (has_room()) return patience_.Reset();
  patience_ = loop_->After(limits_.client_stall, too_slow_);
}

void Outbox::Close() {
  link_ = nullptr;
  for (const auto& dropped : waiting_) Count(-AudioBytes(dropped));
  waiting_.clear();
  patience_.Reset();
}

}  // namespace shoal::preprocess
