#include "services/preprocess/front/call_input.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

constexpr size_t kMaxFlushIdBytes = 128;

}  // namespace

CallInput::CallInput(FrontLoop* loop, const SessionLimits& limits, ClientLink* link,
                     std::function<void()> stalled)
    : loop_(loop), limits_(limits), link_(link), stalled_(std::move(stalled)) {}

void CallInput::ReadMore() {
  if (link_ == nullptr || reading_ || ended_) return;
  const size_t waiting = text_ ? text_->waiting() : 0;
  if (waiting >= static_cast<size_t>(limits_.max_waiting_inputs)) return;
  reading_ = true;
  link_->ReadNext();
}

void CallInput::OnAnswer() {
  reading_ = false;
  stall_.Reset();
}

absl::StatusOr<std::optional<tts::v1::SynthesisConfig>> CallInput::Take(
    tts::v1::StreamingSynthesizeRequest request) {
  using Request = tts::v1::StreamingSynthesizeRequest;
  if (request.request_case() == Request::kConfig) {
    if (text_) {
      return InvalidField("config", "came twice; expected it once, as the first message",
                          reason::kConfigRepeated);
    }
    return std::move(*request.mutable_config());
  }
  const bool text = request.request_case() == Request::kText;
  if (!text && request.request_case() != Request::kFlush) {
    return InvalidField("request", "the message is empty; expected config, text or flush");
  }
  if (!text_) {
    return InvalidField(
        "config",
        absl::StrCat(text ? "text" : "flush", " came first; expected config as the first message"),
        reason::kConfigMissing);
  }
  const absl::Status status =
      text ? text_->AddText(std::move(*request.mutable_text())) : TakeFlush(request.flush());
  if (!status.ok()) return status;
  return std::nullopt;
}

absl::Status CallInput::TakeFlush(const tts::v1::Flush& flush) {
  if (flush.id().size() > kMaxFlushIdBytes) {
    return InvalidField("flush.id", absl::StrCat("has ", flush.id().size(),
                                                 " bytes; expected at most ", kMaxFlushIdBytes));
  }
  text_->AddFlush(flush.id());
  return absl::OkStatus();
}

absl::Status CallInput::End() {
  ended_ = true;
  if (!text_) {
    return InvalidField("config", "never came; expected config as the first message",
                        reason::kConfigMissing);
  }
  text_->End();
  return absl::OkStatus();
}

void CallInput::Close() {
  link_ = nullptr;
  stall_.Reset();
}

absl::StatusOr<std::optional<TextQueue::Item>> CallInput::Next() {
  absl::StatusOr<std::optional<TextQueue::Item>> item = text_->Next();
  if (item.ok() && !item->has_value()) WatchForStall();
  return item;
}

void CallInput::WatchForStall() {
  if (ended_ || stall_.pending()) return;
  stall_ = loop_->After(limits_.text_stall, stalled_);
}

}  // namespace shoal::preprocess
