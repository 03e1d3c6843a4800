// "host:port" as in --admin-listen and --server.
#ifndef SHOAL_COMMON_SERVICE_HOST_PORT_H_
#define SHOAL_COMMON_SERVICE_HOST_PORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace shoal::service {

struct HostPort {
  std::string host;  // without brackets; "127.0.0.1", "::1", "example.org"
  uint16_t port = 0;
};

// "127.0.0.1:9100", "[::1]:9100", "localhost:0". The host is required: listening everywhere is
// written out as 0.0.0.0.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_HOST_PORT_H_
