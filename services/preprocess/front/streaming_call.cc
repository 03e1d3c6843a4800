#include "services/preprocess/front/streaming_call.h"

#include <utility>

#include "services/preprocess/errors/errors.h"
#include "services/preprocess/front/request_parser.h"

namespace shoal::preprocess {
namespace {

// A client that reads nothing does not get to see its status either; then the call is cut.
constexpr absl::Duration kStatusPatience = absl::Seconds(30);

}  // namespace

StreamingCall::StreamingCall(const SessionContext* context, SessionTable* sessions,
                             absl::Time deadline, grpc::CallbackServerContext* call)
    : loop_(context->loop), sessions_(sessions), deadline_(deadline), call_(call) {
  loop_->Post([this] { Open(); });
}

void StreamingCall::Open() {
  absl::StatusOr<std::shared_ptr<Session>> session =
      sessions_->Open(Session::Kind::kStreamed, this);
  if (!session.ok()) return Finish(session.status());
  session_ = *std::move(session);
  session_->Start();
}

void StreamingCall::OnReadDone(bool ok) {
  if (!ok) {
    loop_->Post([this] { session_->OnEndOfInput(); });
    return;
  }
  absl::StatusOr<tts::v1::StreamingSynthesizeRequest> request(
      tts::v1::StreamingSynthesizeRequest{});
  if (absl::Status status = ParseRequest(incoming_, &*request); !status.ok()) request = status;
  incoming_.Clear();
  loop_->Post(
      [this, request = std::move(request)]() mutable { session_->OnRequest(std::move(request)); });
}

void StreamingCall::OnWriteDone(bool ok) {
  if (!ok) return;  // the call is broken; OnCancel says so
  loop_->Post([this] { session_->OnWritten(); });
}

void StreamingCall::OnCancel() {
  loop_->Post([this] {
    if (session_ != nullptr) session_->OnClientGone();
  });
}

void StreamingCall::OnDone() {
  {
    std::lock_guard<std::recursive_mutex> lock(done_mutex_);
    done_ = true;
  }
  loop_->Post([this] { delete this; });
}

void StreamingCall::ReadNext() { StartRead(&incoming_); }

void StreamingCall::Write(tts::v1::StreamingSynthesizeResponse response) {
  outgoing_ = SerializeResponse(response);
  StartWrite(&outgoing_);
}

void StreamingCall::Finish(const absl::Status& status) {
  give_up_ = loop_->After(kStatusPatience, [this] {
    std::lock_guard<std::recursive_mutex> lock(done_mutex_);
    if (!done_) call_->TryCancel();
  });
  ServerBidiReactor::Finish(ToGrpc(status));
}

}  // namespace shoal::preprocess
