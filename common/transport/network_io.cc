// The I/O thread of Channel::Network.
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/transport/network.h"
#include "spdlog/spdlog.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

// How many messages are taken in before what waits to be sent has its turn.
constexpr int kReceiveBatch = 256;
constexpr size_t kMaxLoggedBytes = 200;  // of text that came from a peer

// A dealer's routing id: a mark (ZeroMQ reserves a leading zero byte), the incarnation, and the
// number of the link, since no two connections may have the same.
struct RoutingId {
  static constexpr size_t kBytes = 1 + 8 + 8;
  static constexpr char kMark = 'S';

  static std::string Encode(uint64_t incarnation, uint64_t link) {
    std::string id(kBytes, kMark);
    std::memcpy(&id[1], &incarnation, 8);
    std::memcpy(&id[9], &link, 8);
    return id;
  }
  static bool Names(absl::string_view id, uint64_t incarnation) {
    return id.size() == kBytes && id[0] == kMark && std::memcmp(&id[1], &incarnation, 8) == 0;
  }
};

absl::string_view View(const zmq::message_t& frame) {
  return absl::string_view(frame.data<char>(), frame.size());
}

DropReason ReasonOf(const absl::Status& status) {
  if (absl::IsOutOfRange(status)) return DropReason::kTooLarge;
  if (absl::IsUnimplemented(status)) return DropReason::kVersion;
  return DropReason::kMalformed;
}

}  // namespace

void Channel::Network::Run() {
  while (Poll()) {
    const SteadyTime now = std::chrono::steady_clock::now();
    ReadMonitors(now);
    ReceiveAll(now);
    RunCommands(now);
    Flush();
    table_->Tick(now);
    for (const uint64_t link : std::exchange(failed_links_, {})) table_->LinkClosed(now, link);
  }
  // Sockets are closed by the thread that used them.
  links_.clear();
  inbox_.close();
}

bool Channel::Network::Poll() {
  std::vector<zmq_pollitem_t> items = {{nullptr, wake_fd_, ZMQ_POLLIN, 0},
                                       {inbox_.handle(), 0, ZMQ_POLLIN, 0}};
  std::vector<LinkSocket*> blocked;
  for (auto& [id, link] : links_) {
    items.push_back({link.monitor.handle(), 0, ZMQ_POLLIN, 0});
    if (link.blocked) blocked.push_back(&link);
  }
  const size_t first_blocked = items.size();
  for (LinkSocket* link : blocked) items.push_back({link->dealer.handle(), 0, ZMQ_POLLOUT, 0});

  const absl::Duration tick =
      std::min({options_.hello_interval, options_.heartbeat_interval, options_.silence}) / 4;
  // -1 with EINTR is a wake-up like any other; nothing else can happen to sockets that are open.
  zmq_poll(items.data(), static_cast<int>(items.size()),
           std::max<int64_t>(1, absl::ToInt64Milliseconds(tick)));
  for (size_t i = 0; i < blocked.size(); ++i) {
    if ((items[first_blocked + i].revents & ZMQ_POLLOUT) != 0) blocked[i]->blocked = false;
  }
  if ((items[0].revents & ZMQ_POLLIN) != 0) {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake_fd_, &count, sizeof(count));
  }
  std::lock_guard<std::mutex> lock(mutex_);
  woken_ = false;
  return !ending_;
}

// ---- Receiving ----

void Channel::Network::ReceiveAll(SteadyTime now) {
  for (int i = 0; i < kReceiveBatch && ReceiveOne(now); ++i) {
  }
}

// A message is two frames: the routing id that the inbox puts ahead, and the encoding.
bool Channel::Network::ReceiveOne(SteadyTime now) {
  zmq::message_t frames[2];
  size_t count = 0;
  size_t bytes = 0;
  for (bool more = true; more; ++count) {
    zmq::message_t extra;
    zmq::message_t& frame = count < 2 ? frames[count] : extra;
    if (zmq_msg_recv(frame.handle(), inbox_.handle(), ZMQ_DONTWAIT) < 0) return false;
    bytes += frame.size();
    more = frame.more();
  }
  messages_received_.fetch_add(1, std::memory_order_relaxed);
  bytes_received_.fetch_add(bytes, std::memory_order_relaxed);
  if (count == 2 && frames[0].size() == RoutingId::kBytes) {
    Take(now, View(frames[0]), View(frames[1]));
  } else {
    Drop(now, DropReason::kFrames, "expected a peer's routing id and one frame");
  }
  return true;
}

void Channel::Network::Take(SteadyTime now, absl::string_view routing_id, absl::string_view bytes) {
  absl::StatusOr<Message> message = Decode(bytes, options_.limits);
  if (!message.ok()) return Drop(now, ReasonOf(message.status()), message.status().message());
  const v1::Envelope& envelope = message->envelope;
  if (!RoutingId::Names(routing_id, envelope.incarnation())) {
    return Drop(now, DropReason::kIdentity, "the connection belongs to another incarnation");
  }
  if (absl::Status status = CheckMessage(*message, model_); !status.ok()) {
    Drop(now, DropReason::kMalformed, status.message());
    if (handlers_.malformed) handlers_.malformed(envelope.incarnation(), envelope, status);
    return;
  }
  const PeerTable::Received received = table_->Receive(now, envelope);
  switch (received.verdict) {
    case PeerTable::Verdict::kDropped:
      return Drop(now, received.reason,
                  absl::StrCat(BodyName(envelope), received.why.empty() ? "" : ": ", received.why));
    case PeerTable::Verdict::kDeliver:
      // Read before the message moves: arguments are evaluated in any order.
      if (const uint64_t from = envelope.incarnation(); handlers_.message) {
        handlers_.message(from, *std::move(message));
      }
      return;
    case PeerTable::Verdict::kHandled:
      return;
  }
}

void Channel::Network::Drop(SteadyTime now, DropReason reason, absl::string_view why) {
  const size_t index = static_cast<size_t>(reason);
  dropped_[index].fetch_add(1, std::memory_order_relaxed);
  Quiet& quiet = quiet_[index];
  if (now < quiet.until) {
    ++quiet.suppressed;
    return;
  }
  spdlog::warn("dropped a message ({}): {} ({} more since the last such line)",
               std::string(DropReasonName(reason)),
               absl::Utf8SafeCHexEscape(why.substr(0, kMaxLoggedBytes)), quiet.suppressed);
  quiet = {now + std::chrono::seconds(1), 0};
}

void Channel::Network::ReadMonitors(SteadyTime now) {
  std::vector<std::pair<uint64_t, uint16_t>> events;
  for (auto& [id, link] : links_) {
    zmq::message_t event;
    while (zmq_msg_recv(event.handle(), link.monitor.handle(), ZMQ_DONTWAIT) >= 0) {
      uint16_t number = 0;
      if (event.size() >= sizeof(number)) std::memcpy(&number, event.data(), sizeof(number));
      zmq::message_t address;
      if (event.more()) zmq_msg_recv(address.handle(), link.monitor.handle(), ZMQ_DONTWAIT);
      if (number != 0) events.emplace_back(id, number);
    }
  }
  for (const auto& [id, number] : events) {
    const auto found = links_.find(id);
    if (found == links_.end()) continue;  // closed by an earlier event
    if (number == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      // Makes the dealer take note of its connection: sends look only now and then.
      found->second.blocked = (found->second.dealer.get(zmq::sockopt::events) & ZMQ_POLLOUT) == 0;
      table_->LinkReady(now, id);
    } else {
      table_->LinkClosed(now, id);
    }
  }
}

void Channel::Network::RunCommands(SteadyTime now) {
  std::vector<Command> commands;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    commands.swap(commands_);
  }
  for (const Command& command : commands) {
    if (command.incarnation == 0) {
      table_->Dial(now, command.inbox);
    } else {
      table_->Dial(now, command.inbox, command.incarnation);
    }
  }
  std::vector<std::string> unanswered = table_->Unanswered();
  std::lock_guard<std::mutex> lock(mutex_);
  unanswered_ = std::move(unanswered);
}

// ---- Sending ----

void Channel::Network::Open(uint64_t link, const std::string& inbox) {
  try {
    LinkSocket socket{zmq::socket_t(context_, zmq::socket_type::dealer),
                      zmq::socket_t(context_, zmq::socket_type::pair)};
    zmq::socket_t& dealer = socket.dealer;
    dealer.set(zmq::sockopt::routing_id, RoutingId::Encode(options_.incarnation, link));
    dealer.set(zmq::sockopt::linger, 0);
    dealer.set(zmq::sockopt::immediate, 1);
    dealer.set(zmq::sockopt::sndhwm, options_.high_water_mark);
    dealer.set(zmq::sockopt::rcvhwm, 1);  // an inbox never answers on the same connection
    dealer.set(zmq::sockopt::maxmsgsize, int64_t{1024});
    dealer.set(zmq::sockopt::connect_timeout, 2000);
    dealer.set(zmq::sockopt::handshake_ivl, 2000);
    dealer.set(zmq::sockopt::heartbeat_ivl, 1000);
    dealer.set(zmq::sockopt::heartbeat_timeout, 3000);
    dealer.set(zmq::sockopt::reconnect_ivl, 50);
    dealer.set(zmq::sockopt::reconnect_ivl_max, 500);
    dealer.set(zmq::sockopt::ipv6, absl::StrContains(inbox, "["));
    const std::string monitor = absl::StrCat("inproc://link-", link);
    if (zmq_socket_monitor(dealer.handle(), monitor.c_str(),
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0) {
      throw zmq::error_t();
    }
    socket.monitor.set(zmq::sockopt::linger, 0);
    socket.monitor.connect(monitor);
    dealer.connect(inbox);
    links_.emplace(link, std::move(socket));
  } catch (const zmq::error_t& error) {
    spdlog::warn("cannot dial {}: {}", inbox, error.what());
    failed_links_.push_back(link);
  }
}

void Channel::Network::Close(uint64_t link) {
  const auto found = links_.find(link);
  if (found == links_.end()) return;
  zmq_socket_monitor(found->second.dealer.handle(), nullptr, 0);
  links_.erase(found);
}

void Channel::Network::Send(uint64_t link, const v1::Envelope& envelope) {
  if (const auto found = links_.find(link); found != links_.end()) {
    SendOn(found->second, {envelope, {}});
  }
}

bool Channel::Network::SendOn(LinkSocket& link, const Message& message) {
  zmq::message_t frame(EncodedBytes(message));
  Encode(message, frame.data<char>());
  const size_t bytes = frame.size();
  if (zmq_msg_send(frame.handle(), link.dealer.handle(), ZMQ_DONTWAIT) < 0) {
    link.blocked = true;  // full, or not connected
    return false;
  }
  messages_sent_.fetch_add(1, std::memory_order_relaxed);
  bytes_sent_.fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void Channel::Network::Flush() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const uint64_t incarnation : dirty_) {
      const auto found = outboxes_.find(incarnation);
      if (found == outboxes_.end()) continue;
      std::deque<Outgoing>& sending = sending_[incarnation];
      std::move(found->second.queued.begin(), found->second.queued.end(),
                std::back_inserter(sending));
      found->second.queued.clear();
    }
    dirty_.clear();
  }
  std::vector<uint64_t> peers;
  for (const auto& [incarnation, messages] : sending_) peers.push_back(incarnation);
  for (const uint64_t incarnation : peers) FlushPeer(incarnation);
}

void Channel::Network::FlushPeer(uint64_t incarnation) {
  std::deque<Outgoing>& sending = sending_[incarnation];
  size_t messages = 0, bytes = 0;
  while (!sending.empty()) {
    Outgoing& next = sending.front();
    const auto link = links_.find(table_->Address(incarnation, &next.message.envelope));
    if (link == links_.end() || link->second.blocked) break;
    if (!SendOn(link->second, next.message)) break;
    ++messages;
    bytes += next.bytes;
    sending.pop_front();
  }
  if (sending.empty()) sending_.erase(incarnation);
  std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = outboxes_.find(incarnation); found != outboxes_.end()) {
    found->second.messages -= messages;
    found->second.bytes -= bytes;
  }
}

}  // namespace shoal::transport
