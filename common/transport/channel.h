// One process's place on the pipeline network: a ROUTER inbox, which only receives, and a DEALER to
// each peer, all owned by one I/O thread. The channel introduces itself (Hello until HelloAck),
// sends heartbeats, and says which peers are up. It opens its own connection back to whoever says
// Hello, so the order in which processes start does not matter.
//
// A peer is up once both directions are proven, and down when its connection closes, when it is
// silent for `silence`, when its step counter stands still past `stall` and the bound it declared,
// when another incarnation answers at its address, or when it has given this process up. Whoever
// holds state for a peer drops it at `down`: the peer does the same, even if it was only
// interrupted (see Envelope in pipeline.proto). The same incarnation may come up again later.
//
// Delivery is at most once and in order for one peer. What is malformed, over a limit, from before
// an interruption, or for another incarnation is dropped and counted (counters()).
//
// Handlers run on the I/O thread, one at a time, and must not block; they may call Send and Dial.
// Everything else may be called from any thread. No handler runs after the destructor returned.
//
// Present limits: CURVE is not there yet, so a TCP inbox on anything but loopback is refused unless
// allow_insecure_tcp says otherwise. Peers send one frame a message, but ZeroMQ also takes messages
// of many frames and gathers them all before this class can drop them: whoever can connect can make
// the process hold memory. Only what may be trusted that far may reach an inbox: loopback, an ipc
// folder of mode 0700, or what a network policy lets in.
#ifndef SHOAL_COMMON_TRANSPORT_CHANNEL_H_
#define SHOAL_COMMON_TRANSPORT_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/transport/counters.h"
#include "common/transport/message.h"
#include "common/transport/peer.h"

namespace shoal::transport {

class Channel {
 public:
  using Peer = transport::Peer;

  struct Handlers {
    std::function<void(const Peer&)> up = nullptr;
    std::function<void(uint64_t incarnation, absl::string_view why)> down = nullptr;
    std::function<void(uint64_t from, Message message)> message =
        nullptr;  // checked by CheckMessage
    // CheckMessage found a wrong field in a message of `from`, which was dropped and counted: for
    // whoever wants to answer. Nothing in `envelope` can be relied on.
    std::function<void(uint64_t from, const pipeline::v1::Envelope& envelope,
                       const absl::Status& why)>
        malformed = nullptr;
  };

  struct Options {
    std::string bind = "";       // tcp://127.0.0.1:9001, tcp://127.0.0.1:*, ipc:///run/shoal/x.sock
    std::string advertise = "";  // the inbox as peers dial it; empty = what was bound
    pipeline::v1::Hello self = {};  // stage, fingerprint, limits, ...; inbox and link are filled in
    uint64_t incarnation = 0;       // 0 = drawn
    std::vector<std::string> dial = {};  // inboxes to keep connected to
    bool allow_insecure_tcp = false;

    // Empty = may work together, else why not; told to both sides' logs. Null: DisagreementOf.
    std::function<std::string(const pipeline::v1::Hello& mine, const pipeline::v1::Hello& theirs)>
        compatible = nullptr;
    // Asked on the I/O thread before every heartbeat. Null: idle.
    std::function<pipeline::v1::Heartbeat()> heartbeat = nullptr;

    MessageLimits limits = {};
    size_t max_queued_messages = 4096;   // per peer, not yet taken by ZeroMQ
    size_t max_queued_bytes = 64 << 20;  // per peer
    int high_water_mark = 1000;          // messages inside ZeroMQ, per direction and connection
    size_t max_links = 256;              // connections that this process opens

    absl::Duration hello_interval = absl::Milliseconds(100);
    absl::Duration heartbeat_interval = absl::Milliseconds(200);
    absl::Duration silence = absl::Seconds(1);
    absl::Duration stall = absl::Seconds(1);
    absl::Duration max_step_bound = absl::Seconds(60);  // a peer cannot declare more
    absl::Duration dial_limit = absl::Seconds(5);  // for a peer dialled by incarnation to answer
  };

  static absl::StatusOr<std::unique_ptr<Channel>> Start(Options options, Handlers handlers);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // UNAVAILABLE: the peer is not up and not dialled by incarnation. RESOURCE_EXHAUSTED: too much is
  // queued for it. OUT_OF_RANGE: the message is over the limits. Envelope.version, incarnation,
  // to_incarnation and peering are filled in. OK is no promise of arrival.
  absl::Status Send(uint64_t incarnation, Message message);

  // Keeps connected to whoever answers at `inbox`, for as long as this channel lives.
  absl::Status Dial(const std::string& inbox);

  // Reaches one named process, as Generate.vocoder names it. From now on Send(incarnation) queues;
  // the queue leaves when the peer comes up, and `down(incarnation)` is called when it does not
  // within dial_limit, refuses, or another process answers there. Does nothing when it is up.
  // Cheap: call it before every Submit's first Send.
  absl::Status Dial(const std::string& inbox, uint64_t incarnation);

  std::vector<Peer> peers() const;  // that are up
  uint64_t incarnation() const;
  std::string inbox() const;  // as advertised

  // For /readyz and logs: one line for each dialled inbox that has no peer, saying why.
  std::vector<std::string> unanswered() const;

  ChannelCounters counters() const;

 private:
  class Network;
  explicit Channel(std::unique_ptr<Network> network);
  std::unique_ptr<Network> network_;
};

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_CHANNEL_H_
