// What every server has, and the flags for it.
#ifndef SHOAL_COMMON_SERVICE_SERVICE_OPTIONS_H_
#define SHOAL_COMMON_SERVICE_SERVICE_OPTIONS_H_

#include <string>

#include "absl/time/time.h"
#include "common/service/flag_set.h"
#include "common/service/log.h"

namespace shoal::service {

struct ServiceOptions {
  std::string admin_listen = "127.0.0.1:0";        // --admin-listen
  LogOptions log;                                  // --log-level, --log-format
  absl::Duration drain_grace = absl::Seconds(30);  // --drain-grace
};

// Set another default in *options before.
void AddServiceFlags(FlagSet& flags, ServiceOptions* options);

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_SERVICE_OPTIONS_H_
