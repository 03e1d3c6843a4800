// Between sessions and stages: knows who is up, gives each stream a vocoder and each turn an
// engine, and takes every message to the stream it belongs to.
//
// Lives on the front's loop; handlers() may be called by the channel's thread. Owned by the server,
// outlives all streams.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_STREAM_ROUTER_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_STREAM_ROUTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/transport/channel.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/front_metrics.h"
#include "services/preprocess/front/front_options.h"
#include "services/preprocess/front/routed_stream.h"
#include "services/preprocess/front/stage_peers.h"

namespace shoal::preprocess {

class StreamRouter {
 public:
  // All must outlive the router.
  StreamRouter(const RouterLimits& limits, FrontLoop* loop, FrontMetrics* metrics);

  // For the channel, which must be destroyed before the loop.
  transport::Channel::Handlers handlers();
  // Before the first Open.
  void Attach(transport::Channel* channel) { channel_ = channel; }

  // Whether a new stream would find room now.
  absl::Status CheckAdmission() const;

  // Takes a slot in a vocoder. `listener` must outlive the stream or close it.
  absl::StatusOr<std::shared_ptr<RoutedStream>> Open(RoutedStream::Listener* listener,
                                                     pipeline::v1::Priority priority);

  // Empty when an engine and a vocoder are up, else what is missing.
  std::string missing() const;
  // Called on the loop whenever a peer came or went.
  void OnPeersChanged(std::function<void()> changed) { peers_changed_ = std::move(changed); }

 private:
  friend class RoutedStream;
  using StreamKey = std::pair<uint64_t, uint64_t>;

  void OnUp(const transport::Peer& peer);
  void OnDown(uint64_t incarnation, const std::string& why);
  void OnMessage(uint64_t from, transport::Message message);
  void Forget(const RoutedStream& stream);

  const RouterLimits limits_;
  FrontLoop* const loop_;
  FrontMetrics* const metrics_;
  transport::Channel* channel_ = nullptr;
  StagePeers peers_;
  std::map<StreamKey, std::weak_ptr<RoutedStream>> streams_;
  std::function<void()> peers_changed_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_STREAM_ROUTER_H_
