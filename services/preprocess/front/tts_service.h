// The public gRPC service over gRPC's callback API: turns calls into sessions and keeps gRPC's
// threads away from them. Requests come as bytes, because gRPC's own parsing cannot say which field
// of a request is wrong (request_parser.h).
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_TTS_SERVICE_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_TTS_SERVICE_H_

#include "grpcpp/grpcpp.h"
#include "services/preprocess/front/session.h"
#include "services/preprocess/front/session_table.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::preprocess {

class TtsService final
    : public tts::v1::TextToSpeechService::WithRawCallbackMethod_StreamingSynthesize<
          tts::v1::TextToSpeechService::WithRawCallbackMethod_Synthesize<
              tts::v1::TextToSpeechService::WithCallbackMethod_GetServerInfo<
                  tts::v1::TextToSpeechService::Service>>> {
 public:
  // Both outlive the service and every call.
  TtsService(const SessionContext* context, SessionTable* sessions)
      : context_(context), sessions_(sessions) {}

  // Called by gRPC, on its threads.
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StreamingSynthesize(
      grpc::CallbackServerContext* call) override;
  grpc::ServerUnaryReactor* Synthesize(grpc::CallbackServerContext* call,
                                       const grpc::ByteBuffer* request,
                                       grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* call,
                                          const tts::v1::GetServerInfoRequest* request,
                                          tts::v1::GetServerInfoResponse* response) override;

 private:
  const SessionContext* const context_;
  SessionTable* const sessions_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_TTS_SERVICE_H_
