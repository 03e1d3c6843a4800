// A small HTTP/1.1 server for operators: GET and HEAD of
//   /metrics   Prometheus text
//   /health    200 "ok" while the process is alive
//   /readyz    200 "ready", or 503 and the reason in one line
// Other paths are 404, other methods 405. It serves many connections from one thread of its own,
// with bounded header size, connection count and time, and takes no request body.
//
// Owned by main. The callbacks run on the server's thread, must be quick, and are not called after
// the destructor returned.
#ifndef SHOAL_COMMON_SERVICE_ADMIN_SERVER_H_
#define SHOAL_COMMON_SERVICE_ADMIN_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace shoal::service {

class AdminServer {
 public:
  struct Options {
    std::string listen = "127.0.0.1:0";  // host:port, port 0 = any; the host is a numeric address
                                         // or a name that resolves to one
    std::function<std::string()> metrics = nullptr;
    std::function<std::string()> not_ready =
        nullptr;  // empty = ready, else why not; null = always ready
    size_t max_header_bytes = 8 << 10;
    size_t max_connections = 64;
    absl::Duration timeout = absl::Seconds(10);  // for one request to arrive or one answer to leave
  };

  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(Options options);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  uint16_t port() const;        // really bound
  std::string address() const;  // "127.0.0.1:40123"

 private:
  class Server;
  explicit AdminServer(std::unique_ptr<Server> server);
  std::unique_ptr<Server> server_;
};

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_ADMIN_SERVER_H_
