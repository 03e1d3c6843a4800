#include "services/preprocess/front/session_table.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {

absl::StatusOr<std::shared_ptr<Session>> SessionTable::Open(Session::Kind kind, ClientLink* link) {
  const absl::Duration retry_after = context_->options.router.retry_after;
  if (draining_) {
    context_->metrics->CountStream("refused", reason::kDraining);
    return RetryLater(absl::StatusCode::kUnavailable, reason::kDraining,
                      "the server is shutting down", retry_after);
  }
  if (sessions_.size() >= static_cast<size_t>(context_->options.max_streams)) {
    context_->metrics->CountStream("refused", reason::kTooManyStreams);
    return RetryLater(absl::StatusCode::kResourceExhausted, reason::kTooManyStreams,
                      absl::StrCat("all ", context_->options.max_streams, " streams are in use"),
                      retry_after);
  }
  auto session =
      std::make_shared<Session>(context_, kind, link, [this](Session* ended) { OnEnd(ended); });
  sessions_[session.get()] = session;
  return session;
}

void SessionTable::OnEnd(Session* session) {
  sessions_.erase(session);
  CallIfEmpty();
}

void SessionTable::Drain(std::function<void()> empty) {
  draining_ = true;
  empty_ = std::move(empty);
  CallIfEmpty();
}

void SessionTable::EndBetweenTurns() {
  std::vector<std::shared_ptr<Session>> left;  // a session that ends takes itself out
  for (const auto& [raw, session] : sessions_) left.push_back(session);
  for (const auto& session : left) session->EndBetweenTurns();
}

void SessionTable::CallIfEmpty() {
  if (sessions_.empty() && empty_) std::exchange(empty_, nullptr)();
}

}  // namespace shoal::preprocess
