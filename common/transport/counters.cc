#include "common/transport/counters.h"

namespace shoal::transport {

absl::string_view DropReasonName(DropReason reason) {
  switch (reason) {
    case DropReason::kFrames:
      return "frames";
    case DropReason::kTooLarge:
      return "too_large";
    case DropReason::kVersion:
      return "version";
    case DropReason::kMalformed:
      return "malformed";
    case DropReason::kIdentity:
      return "identity";
    case DropReason::kUnknown:
      return "unknown";
    case DropReason::kStale:
      return "stale";
    case DropReason::kRefused:
      return "refused";
  }
  return "";
}

}  // namespace shoal::transport
