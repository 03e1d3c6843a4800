// The sessions that are open, and whether another may be. Lives on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_TABLE_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_TABLE_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>

#include "absl/status/statusor.h"
#include "services/preprocess/front/session.h"

namespace shoal::preprocess {

class SessionTable {
 public:
  // `context` must outlive it.
  explicit SessionTable(const SessionContext* context) : context_(context) {}

  // A new session for a call, not yet started. UNAVAILABLE while draining, RESOURCE_EXHAUSTED when
  // too many are open; both with RetryInfo.
  absl::StatusOr<std::shared_ptr<Session>> Open(Session::Kind kind, ClientLink* link);

  // No session is opened any more. `empty` is called once when the last one has ended, which may be
  // now.
  void Drain(std::function<void()> empty);
  // Ends those that are left before their next turn.
  void EndBetweenTurns();

  size_t size() const { return sessions_.size(); }

 private:
  void OnEnd(Session* session);
  void CallIfEmpty();

  const SessionContext* const context_;
  std::map<Session*, std::shared_ptr<Session>> sessions_;
  bool draining_ = false;
  std::function<void()> empty_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_TABLE_H_
