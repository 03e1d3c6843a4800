#include "services/preprocess/front/stage_peers.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

// A vocoder's stream holds a slot from its first turn to its end; an engine lets turns wait.
int64_t RoomOf(const transport::Peer& peer) {
  const pipeline::v1::Capacity& capacity = peer.hello.capacity();
  if (capacity.streams() == 0) return std::numeric_limits<int64_t>::max();  // it did not say
  if (peer.stage == pipeline::v1::VOCODER) return capacity.streams();
  return int64_t{capacity.streams()} + capacity.queue();
}

}  // namespace

void StagePeers::Up(const transport::Peer& peer) { peers_[peer.incarnation].peer = peer; }

void StagePeers::Down(uint64_t incarnation) { peers_.erase(incarnation); }

const transport::Peer* StagePeers::Find(uint64_t incarnation) const {
  const auto found = peers_.find(incarnation);
  return found == peers_.end() ? nullptr : &found->second.peer;
}

int StagePeers::Count(pipeline::v1::Stage stage) const {
  int count = 0;
  for (const auto& [incarnation, state] : peers_) count += state.peer.stage == stage;
  return count;
}

absl::StatusOr<uint64_t> StagePeers::Pick(pipeline::v1::Stage stage,
                                          const std::set<uint64_t>& excluded) const {
  const char* name = stage == pipeline::v1::ENGINE ? "engine" : "vocoder";
  if (Count(stage) == 0) {
    return RetryLater(absl::StatusCode::kUnavailable,
                      stage == pipeline::v1::ENGINE ? reason::kNoEngine : reason::kNoVocoder,
                      absl::StrCat("no ", name, " is up"), retry_after_);
  }
  const std::pair<const uint64_t, State>* best = nullptr;
  for (const auto& candidate : peers_) {
    const auto& [incarnation, state] = candidate;
    if (state.peer.stage != stage || excluded.count(incarnation) > 0) continue;
    if (state.used >= RoomOf(state.peer)) continue;
    if (best == nullptr || state.used < best->second.used) best = &candidate;
  }
  if (best == nullptr) {
    return RetryLater(absl::StatusCode::kResourceExhausted, reason::kStagesBusy,
                      absl::StrCat("every ", name, " is busy"), retry_after_);
  }
  return best->first;
}

void StagePeers::Take(uint64_t incarnation) {
  const auto found = peers_.find(incarnation);
  if (found != peers_.end()) ++found->second.used;
}

void StagePeers::Release(uint64_t incarnation) {
  const auto found = peers_.find(incarnation);
  if (found != peers_.end() && found->second.used > 0) --found->second.used;
}

}  // namespace shoal::preprocess
