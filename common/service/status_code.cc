#include "common/service/status_code.h"

namespace shoal::service {
namespace {

constexpr int32_t kLastCode = static_cast<int32_t>(absl::StatusCode::kUnauthenticated);

}  // namespace

int32_t CodeOf(const absl::Status& status) { return static_cast<int32_t>(status.code()); }

absl::Status StatusFrom(int32_t code, absl::string_view message) {
  if (code == 0) return absl::OkStatus();
  if (code < 0 || code > kLastCode) return absl::UnknownError(message);
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

}  // namespace shoal::service
