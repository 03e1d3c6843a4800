#include "client/server_commands.h"

#include <chrono>
#include <memory>

#include "client/status_report.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::client {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);

std::shared_ptr<grpc::Channel> Connect(const std::string& server) {
  return grpc::CreateChannel(server, grpc::InsecureChannelCredentials());
}

int Refused(const std::string& server, const grpc::Status& status, const Console& console) {
  std::fprintf(console.error, "shoal: %s: %s\n", server.c_str(), DescribeStatus(status).c_str());
  return kRefused;
}

}  // namespace

int Health(const std::string& server, const Console& console) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(tts::v1::TextToSpeechService::service_full_name());
  grpc::health::v1::HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(Connect(server));
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) return Refused(server, status, console);
  using Response = grpc::health::v1::HealthCheckResponse;
  std::fprintf(console.output, "%s\n", Response::ServingStatus_Name(response.status()).c_str());
  return response.status() == Response::SERVING ? kOk : kRefused;
}

int Info(const std::string& server, const Console& console) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  tts::v1::GetServerInfoResponse info;
  const auto stub = tts::v1::TextToSpeechService::NewStub(Connect(server));
  const grpc::Status status = stub->GetServerInfo(&context, {}, &info);
  if (!status.ok()) return Refused(server, status, console);
  std::fprintf(console.output,
               "version                %s\n"
               "model                  %s\n"
               "sample_rate_hz         %u\n"
               "frame_rate_hz          %.4g\n"
               "num_codebooks          %u\n"
               "max_text_bytes         %u\n"
               "max_references         %u\n"
               "max_reference_bytes    %u\n"
               "max_reference_seconds  %g\n",
               info.version().c_str(), info.model().c_str(), info.sample_rate_hz(),
               info.frame_rate_hz(), info.num_codebooks(), info.max_text_bytes(),
               info.max_references(), info.max_reference_bytes(), info.max_reference_seconds());
  return kOk;
}

}  // namespace shoal::client
