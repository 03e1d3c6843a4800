#include "client/info_command.h"

#include "client/connection.h"
#include "shoal/tts/v1/tts.grpc.pb.h"

namespace shoal::client {

int Info(const std::string& server, const Console& console) {
  const auto channel = Connect(server);
  if (!channel.ok()) {
    std::fprintf(console.error, "shoal info: %s\n",
                 std::string(channel.status().message()).c_str());
    return kBadUsage;
  }
  grpc::ClientContext context;
  SetShortDeadline(&context);
  tts::v1::GetServerInfoResponse info;
  const auto stub = tts::v1::TextToSpeechService::NewStub(*channel);
  const grpc::Status status = stub->GetServerInfo(&context, {}, &info);
  if (!status.ok()) return PrintRefusal("info", server, status, console);
  std::fprintf(console.output,
               "version                %s\n"
               "model                  %s\n"
               "sample_rate_hz         %u\n"
               "frame_rate_hz          %.4g\n"
               "num_codebooks          %u\n"
               "max_text_bytes         %u\n"
               "max_references         %u\n"
               "max_reference_bytes    %u\n"
               "max_reference_seconds  %g\n"
               "sampling               %s\n",
               info.version().c_str(), info.model().c_str(), info.sample_rate_hz(),
               info.frame_rate_hz(), info.num_codebooks(), info.max_text_bytes(),
               info.max_references(), info.max_reference_bytes(), info.max_reference_seconds(),
               info.sampling().ShortDebugString().c_str());
  return kOk;
}

}  // namespace shoal::client
