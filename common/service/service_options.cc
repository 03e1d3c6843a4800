#include "common/service/service_options.h"

namespace shoal::service {

void AddServiceFlags(FlagSet& flags, ServiceOptions* options) {
  flags.Add("admin-listen", &options->admin_listen,
            "host:port of the HTTP server for /metrics, /health and /readyz; port 0 takes any");
  flags.AddChoice("log-level", &options->log.level, {"trace", "debug", "info", "warning", "error"},
                  "least severe level that is logged");
  flags.AddChoice("log-format", &options->log.format, {"text", "json"},
                  "lines of text, or one JSON object a line");
  flags.Add("drain-grace", &options->drain_grace,
            "how long running streams may go on after SIGTERM");
}

}  // namespace shoal::service
