// Statuses as numbers in messages between processes. absl::StatusCode and gRPC use the same ones.
#ifndef SHOAL_COMMON_SERVICE_STATUS_CODE_H_
#define SHOAL_COMMON_SERVICE_STATUS_CODE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace shoal::service {

int32_t CodeOf(const absl::Status& status);

// A number that is no code becomes UNKNOWN; 0 becomes OK, whatever the message.
absl::Status StatusFrom(int32_t code, absl::string_view message);

}  // namespace shoal::service

#endif  // SHOAL_COMMON_SERVICE_STATUS_CODE_H_
