// How every command reaches a server.
#ifndef SHOAL_CLIENT_CONNECTION_H_
#define SHOAL_CLIENT_CONNECTION_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/console.h"

namespace shoal::client {

inline constexpr char kDefaultServer[] = "127.0.0.1:50051";

// Returns at once; the first call connects. INVALID_ARGUMENT names --server.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const std::string& server);

// Sets the deadline of a question that a living server answers at once.
void SetShortDeadline(grpc::ClientContext* context);

// Prints why `command` got no answer from `server`; returns the exit code.
int PrintRefusal(const std::string& command, const std::string& server, const grpc::Status& status,
                 const Console& console);

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_CONNECTION_H_
