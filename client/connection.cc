#include "client/connection.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "client/status_text.h"
#include "common/service/host_port.h"

namespace shoal::client {

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& server) {
  if (const auto address = service::ParseHostPort(server); !address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--server: ", address.status().message()));
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  // http_proxy is meant for the web, and would catch 127.0.0.1 too.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

void SetShortDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

int PrintRefusal(const std::string& command, const std::string& server, const grpc::Status& status,
                 const Console& console) {
  std::fprintf(console.error, "shoal %s: %s: %s", command.c_str(), server.c_str(),
               StatusText(status).c_str());
  return kRefused;
}

}  // namespace shoal::client
