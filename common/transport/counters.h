// What a channel has counted since its start.
#ifndef SHOAL_COMMON_TRANSPORT_COUNTERS_H_
#define SHOAL_COMMON_TRANSPORT_COUNTERS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace shoal::transport {

// Why a received message was dropped.
enum class DropReason {
  kFrames,     // routing id or number of frames
  kTooLarge,   // over a limit
  kVersion,    // of another protocol version
  kMalformed,  // no envelope, or CheckMessage found a wrong field
  kIdentity,   // the envelope's incarnation is not the connection's, or is this process's own
  kUnknown,    // sender has not said Hello
  kStale,      // from a peer given up, from before an interruption, or for another incarnation
  kRefused,    // Hello of a process that does not fit, or one too many
};
inline constexpr size_t kDropReasons = 8;

absl::string_view DropReasonName(DropReason reason);  // "too_large"

struct ChannelCounters {
  uint64_t messages_sent = 0;  // handed to ZeroMQ; control messages included
  uint64_t messages_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t sends_refused = 0;  // Send returned UNAVAILABLE or RESOURCE_EXHAUSTED
  uint64_t undelivered = 0;    // queued messages thrown away because their peer went down
  std::array<uint64_t, kDropReasons> dropped = {};  // by DropReason

  uint64_t dropped_for(DropReason reason) const { return dropped[static_cast<size_t>(reason)]; }
};

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_COUNTERS_H_
