// Who is there: the rules by which processes meet, stay in touch and give each other up. It holds
// no socket, no thread and no clock: time comes in as an argument and deeds go out through Wire, so
// every rule can be tested without waiting.
//
// A link is a connection that this process opens to an inbox; a peer is an incarnation of a
// process.
//   1. On a new link Hello is sent until a HelloAck brings the incarnation at its far end.
//   2. Whoever receives an acceptable Hello opens a link back (if none leads to that inbox) and
//      answers with HelloAck; the sender is then "greeted".
//   3. A peer is up when its HelloAck has come, or when a greeted peer sends anything else: it does
//      so only after our HelloAck reached it. Either way both directions are proven.
//   4. Giving a peer up raises our number of the meeting (Envelope.peering). The peer sees the
//   higher
//      number in whatever comes next, and reports this process down and up again.
// A Hello alone never harms a peer that is up: that another process took over an address counts
// only once it has answered there.
//
// Owned and called by the I/O thread of one Channel. Wire's methods must not call back.
#ifndef SHOAL_COMMON_TRANSPORT_PEER_TABLE_H_
#define SHOAL_COMMON_TRANSPORT_PEER_TABLE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/transport/counters.h"
#include "common/transport/peer.h"

namespace shoal::transport {

using SteadyTime = std::chrono::steady_clock::time_point;

class PeerTable {
 public:
  class Wire {
   public:
    virtual ~Wire() = default;
    virtual void Open(uint64_t link, const std::string& inbox) = 0;
    virtual void Close(uint64_t link) = 0;
    // May be lost, if the link is not connected or full: whatever matters is sent again.
    virtual void Send(uint64_t link, const pipeline::v1::Envelope& envelope) = 0;
    virtual void Up(const Peer& peer) = 0;
    virtual void Down(uint64_t incarnation, const std::string& why) = 0;
    virtual void Beat(const Peer& peer) = 0;  // a heartbeat of a peer that is up
    virtual void Log(const std::string& what) = 0;
  };

  struct Options {
    pipeline::v1::Hello self = {};
    uint64_t incarnation = 0;
    std::function<std::string(const pipeline::v1::Hello& mine, const pipeline::v1::Hello& theirs)>
        compatible = nullptr;
    std::function<pipeline::v1::Heartbeat()> heartbeat = nullptr;
    uint64_t first_link = 1;  // links are numbered from here; drawn, so that nobody can guess one
    size_t max_links = 256;   // and as many peers
    absl::Duration hello_interval = absl::Milliseconds(100);
    absl::Duration heartbeat_interval = absl::Milliseconds(200);
    absl::Duration silence = absl::Seconds(1);
    absl::Duration stall = absl::Seconds(1);
    absl::Duration max_step_bound = absl::Seconds(60);
    absl::Duration dial_limit = absl::Seconds(5);
  };

  // `wire` must outlive this.
  PeerTable(Options options, Wire* wire);

  // Keeps a link to whoever answers at `inbox`.
  void Dial(SteadyTime now, const std::string& inbox);
  // Ends in Up of this incarnation, unless it is up already, or Down.
  void Dial(SteadyTime now, const std::string& inbox, uint64_t incarnation);

  enum class Verdict { kDeliver, kHandled, kDropped };
  struct Received {
    Verdict verdict;
    DropReason reason = DropReason::kUnknown;  // when dropped
    std::string why = "";                      // more for the log
  };
  // A message that CheckMessage has passed and whose incarnation is its connection's.
  Received Receive(SteadyTime now, const pipeline::v1::Envelope& envelope);

  void LinkReady(SteadyTime now, uint64_t link);   // connected: what waits can be sent
  void LinkClosed(SteadyTime now, uint64_t link);  // its established connection is gone
  void Tick(SteadyTime now);                       // several times in each interval of the options

  // Fills in the head of a message and says on which link to send it; 0: the peer is not up.
  uint64_t Address(uint64_t incarnation, pipeline::v1::Envelope* envelope) const;

  std::vector<std::string> Unanswered() const;  // as in Channel::unanswered

 private:
  using Duration = std::chrono::steady_clock::duration;

  struct Expected {
    uint64_t incarnation;
    SteadyTime until;
  };
  struct Answer {  // a HelloAck not yet sent because its link was not connected
    uint64_t to;
    uint64_t link;  // of the receiver
    std::string refused;
  };
  struct Link {
    uint64_t id = 0;  // 0: closed, to be opened at `next`
    std::string inbox;
    bool kept = false;         // dialled for good; others go with their peer
    bool ready = false;        // connected
    bool asking = true;        // no HelloAck yet
    SteadyTime next;           // Hello, or opening
    SteadyTime until;          // not kept: for the HelloAck to come
    uint64_t incarnation = 0;  // who answered last
    std::string refused;       // why who answered cannot be used
    std::vector<Expected> expected;
    std::optional<Answer> owed;
  };
  enum class State { kGreeted, kUp, kStalled };
  struct Entry {
    Peer peer;
    State state = State::kGreeted;
    uint64_t route = 0;   // the link to send on
    SteadyTime heard;     // anything
    SteadyTime moved;     // its step counter, or it was idle
    Duration bound{};     // that it declared for the step it is in
    uint64_t ours = 0;    // peering numbers
    uint64_t theirs = 0;  // 0: not seen yet
  };

  Received OnHello(SteadyTime now, const pipeline::v1::Envelope& envelope);
  Received OnHelloAck(SteadyTime now, const pipeline::v1::Envelope& envelope);
  bool OnPeering(Entry& entry, uint64_t peering);
  void OnHeartbeat(SteadyTime now, Entry& entry, const pipeline::v1::Heartbeat& heartbeat);

  static void Describe(Peer& peer, const pipeline::v1::Hello& hello);
  Entry& Meet(SteadyTime now, uint64_t incarnation);
  void SetUp(SteadyTime now, Entry& entry);
  void GiveUp(SteadyTime now, uint64_t incarnation, const std::string& why);
  void Stall(SteadyTime now, Entry& entry);
  void Refuse(SteadyTime now, Link& link, const std::string& why);
  void FailExpected(Link& link, const std::function<bool(const Expected&)>& which,
                    const std::string& why);

  Link* FindLink(uint64_t id);
  Link* FindInbox(const std::string& inbox);
  Link* OpenLink(SteadyTime now, const std::string& inbox, bool kept);  // null: one too many
  void Reopen(SteadyTime now, Link& link);
  void Ask(SteadyTime now, Link& link);
  void SendHello(SteadyTime now, Link& link);
  void SendAnswer(Link& link, const Answer& answer);
  void SendHeartbeat(const Entry& entry, const pipeline::v1::Heartbeat& heartbeat);
  pipeline::v1::Heartbeat OwnHeartbeat() const;
  void SetHead(const Entry& entry, pipeline::v1::Envelope* envelope) const;

  void TickLinks(SteadyTime now);
  void TickPeers(SteadyTime now);

  const Options options_;
  const Duration hello_interval_, heartbeat_interval_, silence_, stall_, max_step_bound_,
      dial_limit_;
  Wire* const wire_;
  std::list<Link> links_;
  std::map<uint64_t, Entry> peers_;  // by incarnation
  std::deque<uint64_t> given_up_;    // the latest of them, to tell stale from unknown
  uint64_t last_link_ = 0;
  uint64_t meetings_ = 0;
  SteadyTime next_heartbeat_;
  std::optional<SteadyTime> last_tick_;
};

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_PEER_TABLE_H_
