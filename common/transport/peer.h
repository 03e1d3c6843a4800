// What a process knows of another one that it can send to, and whether two may work together.
#ifndef SHOAL_COMMON_TRANSPORT_PEER_H_
#define SHOAL_COMMON_TRANSPORT_PEER_H_

#include <cstdint>
#include <string>

#include "shoal/pipeline/v1/pipeline.pb.h"

namespace shoal::transport {

struct Peer {
  uint64_t incarnation = 0;
  pipeline::v1::Stage stage = pipeline::v1::STAGE_UNSPECIFIED;
  std::string inbox;                  // as the peer advertises it
  pipeline::v1::Hello hello;          // capacity, limits, fingerprint, numeric identity
  pipeline::v1::Heartbeat heartbeat;  // the latest: its load; empty before the first
};

// Empty when the two may work together, else why not: each part of the fingerprint and each limit
// is compared where both sides set it.
std::string DisagreementOf(const pipeline::v1::Hello& mine, const pipeline::v1::Hello& theirs);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_PEER_H_
