// One Synthesize call: to its session it is a client that sends its config, its text and the end at
// once, and takes everything at once. Deletes itself, on the front's loop, after gRPC's OnDone.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_WHOLE_FILE_CALL_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_WHOLE_FILE_CALL_H_

#include <memory>

#include "absl/status/status.h"
#include "grpcpp/grpcpp.h"
#include "services/preprocess/front/client_link.h"
#include "services/preprocess/front/session_table.h"

namespace shoal::preprocess {

class WholeFileCall final : public grpc::ServerUnaryReactor, private ClientLink {
 public:
  // `response` is gRPC's and lives until OnDone.
  WholeFileCall(const SessionContext* context, SessionTable* sessions, absl::Time deadline,
                const grpc::ByteBuffer& request, grpc::ByteBuffer* response);

  // Called by gRPC, on its threads.
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class Input { kConfig, kText, kEnd, kNothing };

  // ClientLink, on the loop.
  void ReadNext() override;
  void Write(tts::v1::StreamingSynthesizeResponse response) override;
  absl::Time deadline() const override { return deadline_; }
  void Finish(const absl::Status& status) override;

  void Open();
  void Store(tts::v1::StreamingSynthesizeResponse response);

  const SessionContext* const context_;
  SessionTable* const sessions_;
  const absl::Time deadline_;
  grpc::ByteBuffer* const wire_response_;
  tts::v1::SynthesizeRequest request_;
  absl::Status parsed_;  // how reading request_ went
  tts::v1::SynthesizeResponse response_;
  std::shared_ptr<Session> session_;  // null: refused
  Input next_ = Input::kConfig;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_WHOLE_FILE_CALL_H_
