// One StreamingSynthesize call between gRPC's threads and its session. What gRPC reports is posted
// to the front's loop in order; what the session wants is started from there. Deletes itself, on
// the loop, after gRPC's OnDone.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_STREAMING_CALL_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_STREAMING_CALL_H_

#include <memory>
#include <mutex>

#include "grpcpp/grpcpp.h"
#include "services/preprocess/front/client_link.h"
#include "services/preprocess/front/session_table.h"

namespace shoal::preprocess {

class StreamingCall final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            private ClientLink {
 public:
  StreamingCall(const SessionContext* context, SessionTable* sessions, absl::Time deadline,
                grpc::CallbackServerContext* call);

  // Called by gRPC, on its threads.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  // ClientLink, on the loop.
  void ReadNext() override;
  void Write(tts::v1::StreamingSynthesizeResponse response) override;
  absl::Time deadline() const override { return deadline_; }
  void Finish(const absl::Status& status) override;

  void Open();

  FrontLoop* const loop_;
  SessionTable* const sessions_;
  const absl::Time deadline_;
  grpc::CallbackServerContext* const call_;
  std::shared_ptr<Session> session_;  // null: refused
  grpc::ByteBuffer incoming_, outgoing_;

  FrontLoop::Timer give_up_;
  // gRPC takes call_ back after OnDone. Recursive, as cancelling may end in OnDone at once.
  std::recursive_mutex done_mutex_;
  bool done_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_STREAMING_CALL_H_
