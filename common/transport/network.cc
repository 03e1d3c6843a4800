#include "common/transport/network.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/transport/address.h"
#include "google/protobuf/stubs/logging.h"
#include "spdlog/spdlog.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

absl::StatusOr<uint64_t> DrawNumber() {
  uint64_t number = 0;
  while (number == 0) {
    if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
      return absl::ErrnoToStatus(errno, "getrandom");
    }
  }
  return number;
}

}  // namespace

Channel::Network::Network(Options options, Handlers handlers)
    : options_(std::move(options)), handlers_(std::move(handlers)) {}

Channel::Network::~Network() {
  if (thread_.joinable()) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    Wake();
    thread_.join();
  }
  if (wake_fd_ >= 0) close(wake_fd_);
}

absl::Status Channel::Network::CheckOptions() {
  if (options_.self.stage() == v1::STAGE_UNSPECIFIED) {
    return absl::InvalidArgumentError("channel: self.stage is not set");
  }
  for (const std::string& inbox : options_.dial) {
    if (absl::Status status = CheckInbox(inbox); !status.ok()) return status;
  }
  if (options_.dial.size() > options_.max_links) {
    return absl::InvalidArgumentError(absl::StrCat(
        "channel: ", options_.dial.size(), " inboxes to dial, the limit is ", options_.max_links));
  }
  if (options_.advertise.empty() && IsWildcard(options_.bind)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options_.bind,
                     "\" listens on all interfaces: say which address to "
                     "advertise to peers"));
  }
  if (!options_.advertise.empty()) {
    if (absl::Status status = CheckInbox(options_.advertise); !status.ok()) return status;
  }
  return PrepareBind(options_.bind, options_.allow_insecure_tcp);
}

void Channel::Network::Bind() {
  inbox_ = zmq::socket_t(context_, zmq::socket_type::router);
  inbox_.set(zmq::sockopt::linger, 0);
  inbox_.set(zmq::sockopt::rcvhwm, options_.high_water_mark);
  inbox_.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(options_.limits.max_message_bytes));
  inbox_.set(zmq::sockopt::handshake_ivl, 2000);
  inbox_.set(zmq::sockopt::heartbeat_ivl, 1000);
  inbox_.set(zmq::sockopt::heartbeat_timeout, 3000);
  // With a domain libzmq refuses peers of ZMTP 1 and 2, which are not ours: a stranger who speaks
  // ZMTP 1 while the inbox closes makes libzmq 4.3 abort the process.
  inbox_.set(zmq::sockopt::zap_domain, "shoal");
  inbox_.set(zmq::sockopt::ipv6, absl::StrContains(options_.bind, "["));
  inbox_.bind(options_.bind);
  if (options_.advertise.empty()) options_.advertise = inbox_.get(zmq::sockopt::last_endpoint);
}

absl::Status Channel::Network::Start() {
  if (absl::Status status = CheckOptions(); !status.ok()) return status;
  absl::StatusOr<uint64_t> first_link = DrawNumber();
  if (!first_link.ok()) return first_link.status();
  if (options_.incarnation == 0) {
    const absl::StatusOr<uint64_t> incarnation = DrawNumber();
    if (!incarnation.ok()) return incarnation.status();
    options_.incarnation = *incarnation;
  }
  if (!options_.compatible) options_.compatible = DisagreementOf;
  // A message that cannot be parsed is counted here; protobuf would write a line for each.
  google::protobuf::SetLogHandler(nullptr);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return absl::ErrnoToStatus(errno, "eventfd");
  try {
    Bind();
  } catch (const zmq::error_t& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options_.bind, ": ", error.what()));
  }
  options_.self.set_inbox(options_.advertise);
  model_ = {.num_codebooks = options_.self.limits().num_codebooks(),
            .frame_length = options_.self.limits().frame_length()};
  table_ = std::make_unique<PeerTable>(
      PeerTable::Options{.self = options_.self,
                         .incarnation = options_.incarnation,
                         .compatible = options_.compatible,
                         .heartbeat = [this] { return OwnHeartbeat(); },
                         .first_link = *first_link,
                         .max_links = options_.max_links,
                         .hello_interval = options_.hello_interval,
                         .heartbeat_interval = options_.heartbeat_interval,
                         .silence = options_.silence,
                         .stall = options_.stall,
                         .max_step_bound = options_.max_step_bound,
                         .dial_limit = options_.dial_limit},
      this);
  for (const std::string& inbox : options_.dial) commands_.push_back({inbox, 0});
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

// What it says of streams must not overtake their messages, so they go first.
v1::Heartbeat Channel::Network::OwnHeartbeat() {
  v1::Heartbeat heartbeat;
  if (options_.heartbeat) heartbeat = options_.heartbeat();
  Flush();
  return heartbeat;
}

// ---- Any thread ----

absl::Status Channel::Network::Send(uint64_t incarnation, Message message) {
  if (absl::Status status = CheckLimits(message, options_.limits); !status.ok()) return status;
  const size_t bytes = EncodedBytes(message);
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = outboxes_.find(incarnation);
    if (found == outboxes_.end()) {
      sends_refused_.fetch_add(1, std::memory_order_relaxed);
      return absl::UnavailableError(
          absl::StrCat("peer ", absl::Hex(incarnation, absl::kZeroPad16), " is not up"));
    }
    Outbox& outbox = found->second;
    if (outbox.messages >= options_.max_queued_messages ||
        outbox.bytes + bytes > options_.max_queued_bytes) {
      sends_refused_.fetch_add(1, std::memory_order_relaxed);
      return absl::ResourceExhaustedError(absl::StrCat(
          "peer ", absl::Hex(incarnation, absl::kZeroPad16), " is behind: ", outbox.messages,
          " messages, ", outbox.bytes, " bytes are queued for it"));
    }
    outbox.queued.push_back({std::move(message), bytes});
    ++outbox.messages;
    outbox.bytes += bytes;
    if (outbox.up) {
      dirty_.insert(incarnation);
      wake = !std::exchange(woken_, true);
    }
  }
  if (wake) Wake();
  return absl::OkStatus();
}

absl::Status Channel::Network::Dial(const std::string& inbox, uint64_t incarnation) {
  if (absl::Status status = CheckInbox(inbox); !status.ok()) return status;
  if (incarnation == options_.incarnation) {
    return absl::InvalidArgumentError("a process cannot dial itself");
  }
  bool wake = false;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (incarnation != 0 && outboxes_.contains(incarnation)) return absl::OkStatus();
    if (commands_.size() >= options_.max_links || outboxes_.size() >= 2 * options_.max_links) {
      return absl::ResourceExhaustedError("too many peers are being dialled");
    }
    commands_.push_back({inbox, incarnation});
    if (incarnation != 0) outboxes_[incarnation];
    wake = !std::exchange(woken_, true);
  }
  if (wake) Wake();
  return absl::OkStatus();
}

std::vector<Peer> Channel::Network::peers() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Peer> peers;
  for (const auto& [incarnation, peer] : up_) peers.push_back(peer);
  return peers;
}

std::vector<std::string> Channel::Network::unanswered() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return unanswered_;
}

ChannelCounters Channel::Network::counters() const {
  ChannelCounters counters;
  counters.messages_sent = messages_sent_.load(std::memory_order_relaxed);
  counters.messages_received = messages_received_.load(std::memory_order_relaxed);
  counters.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  counters.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  counters.sends_refused = sends_refused_.load(std::memory_order_relaxed);
  counters.undelivered = undelivered_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kDropReasons; ++i) {
    counters.dropped[i] = dropped_[i].load(std::memory_order_relaxed);
  }
  return counters;
}

void Channel::Network::Wake() {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, so the thread is awake anyhow.
  while (write(wake_fd_, &one, sizeof(one)) < 0 && errno == EINTR) {
  }
}

// ---- PeerTable::Wire ----

void Channel::Network::Up(const Peer& peer) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    up_[peer.incarnation] = peer;
    Outbox& outbox = outboxes_[peer.incarnation];  // it may have been dialled
    outbox.up = true;
    if (!outbox.queued.empty()) dirty_.insert(peer.incarnation);
  }
  spdlog::info("peer {:016x} is up: {} at {}", peer.incarnation, v1::Stage_Name(peer.stage),
               peer.inbox);
  if (handlers_.up) handlers_.up(peer);
}

void Channel::Network::Down(uint64_t incarnation, const std::string& why) {
  sending_.erase(incarnation);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    up_.erase(incarnation);
    dirty_.erase(incarnation);
    if (const auto found = outboxes_.find(incarnation); found != outboxes_.end()) {
      undelivered_.fetch_add(found->second.messages, std::memory_order_relaxed);
      outboxes_.erase(found);
    }
  }
  spdlog::warn("peer {:016x} is down: {}", incarnation, why);
  if (handlers_.down) handlers_.down(incarnation, why);
}

void Channel::Network::Beat(const Peer& peer) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = up_.find(peer.incarnation); found != up_.end()) {
    found->second.heartbeat = peer.heartbeat;
  }
}

void Channel::Network::Log(const std::string& what) { spdlog::warn("{}", what); }

}  // namespace shoal::transport
