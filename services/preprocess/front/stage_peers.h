// The engines and vocoders that are up, how much of each this front uses, and which one a new piece
// of work goes to. Lives on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_PEERS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_PEERS_H_

#include <cstdint>
#include <map>
#include <set>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/transport/peer.h"

namespace shoal::preprocess {

class StagePeers {
 public:
  // `retry_after` is what a client is told to wait when all are busy.
  explicit StagePeers(absl::Duration retry_after) : retry_after_(retry_after) {}

  void Up(const transport::Peer& peer);
  void Down(uint64_t incarnation);

  // Null when it is not up.
  const transport::Peer* Find(uint64_t incarnation) const;
  int Count(pipeline::v1::Stage stage) const;

  // The least used peer of a stage that has room and is not in `excluded`. UNAVAILABLE when none is
  // up, RESOURCE_EXHAUSTED when all are full or excluded; both with RetryInfo.
  absl::StatusOr<uint64_t> Pick(pipeline::v1::Stage stage,
                                const std::set<uint64_t>& excluded) const;

  // One piece of work more or less at a peer. Nothing happens when it is gone.
  void Take(uint64_t incarnation);
  void Release(uint64_t incarnation);

 private:
  struct State {
    transport::Peer peer;
    int64_t used = 0;
  };

  absl::Duration retry_after_;
  std::map<uint64_t, State> peers_;  // by incarnation
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_STAGE_PEERS_H_
