// The addresses of inboxes: tcp://host:port and ipc:///absolute/path.
#ifndef SHOAL_COMMON_TRANSPORT_ADDRESS_H_
#define SHOAL_COMMON_TRANSPORT_ADDRESS_H_

#include <string>

#include "absl/status/status.h"

namespace shoal::transport {

// Whether a process may dial this: also asked of what peers advertise, so it takes nothing with
// wildcards, source addresses, abstract sockets or control characters, and no more than 256 bytes.
absl::Status CheckInbox(const std::string& inbox);

// Whether a process may bind this. Creates the folder of an ipc socket, one level, with mode 0700,
// or requires that it is a folder of this user with that mode. TCP other than loopback is
// FAILED_PRECONDITION without `allow_insecure_tcp`. A port or path may be * (any).
absl::Status PrepareBind(const std::string& address, bool allow_insecure_tcp);

// Whether peers could not dial what was bound: tcp on all interfaces.
bool IsWildcard(const std::string& address);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_ADDRESS_H_
