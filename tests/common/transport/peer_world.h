// Several PeerTables joined by a pretended network with a pretended clock: processes start, stop,
// stall, die and come back, connections break, and nothing waits.
#ifndef SHOAL_TESTS_COMMON_TRANSPORT_PEER_WORLD_H_
#define SHOAL_TESTS_COMMON_TRANSPORT_PEER_WORLD_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "common/transport/peer_table.h"

namespace shoal::transport {

class World;

// One process. Every Up begins a session with that peer, every Down ends it.
class Node final : public PeerTable::Wire {
 public:
  Node(World* world, uint64_t incarnation, const std::string& inbox, PeerTable::Options options);

  bool IsUp(uint64_t peer) const { return sessions_.contains(peer); }
  int UpCount(uint64_t peer) const { return ups_.contains(peer) ? ups_.at(peer) : 0; }
  // Sends a message to a peer that is up.
  bool SendTo(uint64_t peer);

  PeerTable& table() { return *table_; }
  const std::string& inbox() const { return inbox_; }
  uint64_t incarnation() const { return incarnation_; }
  const std::vector<std::string>& downs() const { return downs_; }  // reasons
  const std::vector<std::string>& log() const { return log_; }

  pipeline::v1::Heartbeat heartbeat;  // what it says of itself
  bool stopped = false;               // neither reads nor ticks
  int delivered = 0;
  int beats = 0;
  std::map<DropReason, int> dropped;

 private:
  friend class World;

  void Open(uint64_t link, const std::string& inbox) override;
  void Close(uint64_t link) override;
  void Send(uint64_t link, const pipeline::v1::Envelope& envelope) override;
  void Up(const Peer& peer) override;
  void Down(uint64_t incarnation, const std::string& why) override;
  void Beat(const Peer&) override { ++beats; }
  void Log(const std::string& what) override { log_.push_back(what); }

  World* const world_;
  const uint64_t incarnation_;
  const std::string inbox_;
  std::unique_ptr<PeerTable> table_;
  std::map<uint64_t, std::pair<std::string, bool>> links_;  // inbox, ready
  std::deque<pipeline::v1::Envelope> mailbox_;
  std::map<uint64_t, uint64_t> sessions_;  // by peer: numbers that are unique in the world
  std::map<uint64_t, int> ups_;
  std::vector<std::string> downs_;
  std::vector<std::string> log_;
};

class World {
 public:
  // Default options: hello 100 ms, heartbeat 200 ms, silence and stall 1 s, dial limit 5 s.
  Node& Start(uint64_t incarnation, const std::string& inbox,
              pipeline::v1::Stage stage = pipeline::v1::ENGINE, PeerTable::Options options = {});
  void Kill(uint64_t incarnation);
  // Cuts every connection that `from` has opened to `to`.
  void Cut(Node& from, Node& to);
  // An address under which `inbox` can also be dialled.
  void Alias(const std::string& name, const std::string& inbox) { aliases_[name] = inbox; }

  // Lets time pass in ticks of 20 ms; messages take one tick.
  void Run(absl::Duration time);
  // Jumps without anybody running.
  void Freeze(absl::Duration time) { now_ += absl::ToChronoNanoseconds(time); }

  Node* Find(const std::string& inbox);
  SteadyTime now() const { return now_; }
  std::map<uint64_t, std::unique_ptr<Node>>& nodes() { return nodes_; }
  // Pairs of sessions between which messages have passed.
  const std::map<uint64_t, uint64_t>& partners() const { return partners_; }
  bool sessions_match = true;  // no session has ever heard from two

 private:
  friend class Node;
  void Tick();
  void Deliver(Node& node);
  void NotePartners(uint64_t sender, uint64_t receiver);

  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
  uint64_t next_session_ = 1;
  uint64_t next_link_ = 1;
  std::map<std::string, std::string> aliases_;
  std::map<uint64_t, std::unique_ptr<Node>> nodes_;
  std::map<uint64_t, uint64_t> partners_;
};

}  // namespace shoal::transport

#endif  // SHOAL_TESTS_COMMON_TRANSPORT_PEER_WORLD_H_
