#include "client/health_command.h"

#include "client/connection.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::client {

int Health(const std::string& server, const Console& console) {
  using Response = grpc::health::v1::HealthCheckResponse;
  const auto channel = Connect(server);
  if (!channel.ok()) {
    std::fprintf(console.error, "shoal health: %s\n",
                 std::string(channel.status().message()).c_str());
    return kBadUsage;
  }
  grpc::ClientContext context;
  SetShortDeadline(&context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(tts::v1::TextToSpeechService::service_full_name());
  Response response;
  const auto stub = grpc::health::v1::Health::NewStub(*channel);
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) return PrintRefusal("health", server, status, console);
  std::fprintf(console.output, "%s\n", Response::ServingStatus_Name(response.status()).c_str());
  return response.status() == Response::SERVING ? kOk : kRefused;
}

}  // namespace shoal::client
