#include "common/stage/inbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace shoal::stage {
namespace {

namespace v1 = pipeline::v1;

Arrival RefusalOf(uint64_t from, const v1::Submit& submit, absl::Status why) {
  Arrival arrival = {.kind = Arrival::Kind::kRefused, .from = from, .refusal = std::move(why)};
  v1::Submit& name = *arrival.message.envelope.mutable_submit();
  *name.mutable_stream() = submit.stream();
  name.set_turn(submit.turn());
  name.set_attempt(submit.attempt());
  return arrival;
}

bool CarriesSubmit(const Arrival& arrival) {
  return arrival.kind == Arrival::Kind::kMessage && arrival.message.envelope.has_submit();
}

}  // namespace

Inbox::Inbox(const Options& options)
    : max_submits_(options.max_submits), arrivals_(options.capacity) {}

bool Inbox::PutMessage(uint64_t from, transport::Message message) {
  if (!message.envelope.has_submit()) {
    return Put({.kind = Arrival::Kind::kMessage, .from = from, .message = std::move(message)});
  }
  if (submits_.fetch_add(1) >= max_submits_) {
    --submits_;
    return Put(RefusalOf(from, message.envelope.submit(),
                         absl::ResourceExhaustedError(absl::StrCat(
                             "the stage is full: ", max_submits_, " requests wait to be read"))));
  }
  const bool put =
      Put({.kind = Arrival::Kind::kMessage, .from = from, .message = std::move(message)});
  if (!put) --submits_;
  return put;
}

bool Inbox::PutMalformed(uint64_t from, const v1::Envelope& envelope, const absl::Status& why) {
  if (!envelope.has_submit()) return true;
  return Put(RefusalOf(from, envelope.submit(), absl::InvalidArgumentError(why.message())));
}

bool Inbox::PutPeerDown(uint64_t incarnation, absl::string_view why) {
  return Put({.kind = Arrival::Kind::kPeerDown, .from = incarnation, .why = std::string(why)});
}

bool Inbox::PutDrain() { return Put({.kind = Arrival::Kind::kDrain}); }

bool Inbox::Put(Arrival arrival) {
  if (arrivals_.TryPush(std::move(arrival))) return true;
  if (!arrivals_.closed()) {
    spdlog::error("{} messages wait for the model thread: one is lost", arrivals_.size());
  }
  return false;
}

void Inbox::HandleAll(absl::Duration wait, absl::FunctionRef<void(const Arrival&)> handle) {
  for (const Arrival& arrival : arrivals_.PopAll(wait)) {
    if (CarriesSubmit(arrival)) --submits_;
    handle(arrival);
  }
}

}  // namespace shoal::stage
