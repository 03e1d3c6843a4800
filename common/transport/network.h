// The sockets and the I/O thread of a Channel. See channel.h for what it does; PeerTable decides,
// this carries out.
//
// The I/O thread owns every socket, the PeerTable and `sending_`. What other threads touch lies
// under mutex_ (outboxes, commands, what peers() returns) or is atomic (counters). The mutex is
// never held while a handler runs.
#ifndef SHOAL_COMMON_TRANSPORT_NETWORK_H_
#define SHOAL_COMMON_TRANSPORT_NETWORK_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/transport/channel.h"
#include "common/transport/message_check.h"
#include "common/transport/peer_table.h"
#include "zmq.hpp"

namespace shoal::transport {

class Channel::Network final : public PeerTable::Wire {
 public:
  Network(Options options, Handlers handlers);
  ~Network() override;

  absl::Status Start();

  absl::Status Send(uint64_t incarnation, Message message);
  absl::Status Dial(const std::string& inbox, uint64_t incarnation);  // 0: whoever answers
  std::vector<Peer> peers() const;
  std::vector<std::string> unanswered() const;
  ChannelCounters counters() const;
  uint64_t incarnation() const { return options_.incarnation; }
  const std::string& inbox() const { return options_.advertise; }

 private:
  struct Outgoing {
    Message message;
    size_t bytes;
  };
  // What is to be sent to one peer that is up or dialled by incarnation.
  struct Outbox {
    std::deque<Outgoing> queued;
    size_t messages = 0;  // queued and being sent
    size_t bytes = 0;
    bool up = false;
  };
  struct LinkSocket {
    zmq::socket_t dealer;
    zmq::socket_t monitor;  // PAIR, tells when the dealer's connection is made or lost
    bool blocked = false;   // full or not connected: wait until it can be written
  };
  struct Command {
    std::string inbox;
    uint64_t incarnation;
  };

  absl::Status CheckOptions();
  void Bind();

  // PeerTable::Wire, on the I/O thread.
  void Open(uint64_t link, const std::string& inbox) override;
  void Close(uint64_t link) override;
  void Send(uint64_t link, const pipeline::v1::Envelope& envelope) override;
  void Up(const Peer& peer) override;
  void Down(uint64_t incarnation, const std::string& why) override;
  void Beat(const Peer& peer) override;
  void Log(const std::string& what) override;

  pipeline::v1::Heartbeat OwnHeartbeat();
  void Run();
  bool Poll();  // false: the channel ends
  void ReceiveAll(SteadyTime now);
  bool ReceiveOne(SteadyTime now);
  void Take(SteadyTime now, absl::string_view routing_id, absl::string_view bytes);
  void Drop(SteadyTime now, DropReason reason, absl::string_view why);
  void ReadMonitors(SteadyTime now);
  void RunCommands(SteadyTime now);
  void Flush();
  void FlushPeer(uint64_t incarnation);
  bool SendOn(LinkSocket& link, const Message& message);  // false: blocked
  void Wake();

  Options options_;
  const Handlers handlers_;
  ModelShape model_;
  int wake_fd_ = -1;

  zmq::context_t context_;
  zmq::socket_t inbox_;
  std::map<uint64_t, LinkSocket> links_;
  std::vector<uint64_t> failed_links_;                // could not be opened
  std::map<uint64_t, std::deque<Outgoing>> sending_;  // by incarnation
  std::unique_ptr<PeerTable> table_;
  struct Quiet {
    SteadyTime until;
    uint64_t suppressed = 0;
  };
  std::array<Quiet, kDropReasons> quiet_;  // of the log, by DropReason

  mutable std::mutex mutex_;
  std::map<uint64_t, Outbox> outboxes_;
  std::set<uint64_t> dirty_;  // outboxes with something new
  std::vector<Command> commands_;
  std::map<uint64_t, Peer> up_;
  std::vector<std::string> unanswered_;
  bool woken_ = false;
  bool ending_ = false;

  std::atomic<uint64_t> messages_sent_{0}, messages_received_{0}, bytes_sent_{0},
      bytes_received_{0}, sends_refused_{0}, undelivered_{0};
  std::array<std::atomic<uint64_t>, kDropReasons> dropped_{};

  std::thread thread_;
};

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_NETWORK_H_
