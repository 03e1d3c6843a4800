#include "common/transport/peer_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/address.h"
#include "common/transport/message.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

constexpr size_t kRememberedGivenUp = 1024;

std::string Text(std::chrono::steady_clock::duration duration) {
  return absl::FormatDuration(absl::Trunc(absl::FromChrono(duration), absl::Milliseconds(1)));
}

PeerTable::Received Dropped(DropReason reason, std::string why = "") {
  return {PeerTable::Verdict::kDropped, reason, std::move(why)};
}

}  // namespace

PeerTable::PeerTable(Options options, Wire* wire)
    : options_(std::move(options)),
      hello_interval_(absl::ToChronoNanoseconds(options_.hello_interval)),
      heartbeat_interval_(absl::ToChronoNanoseconds(options_.heartbeat_interval)),
      silence_(absl::ToChronoNanoseconds(options_.silence)),
      stall_(absl::ToChronoNanoseconds(options_.stall)),
      max_step_bound_(absl::ToChronoNanoseconds(options_.max_step_bound)),
      dial_limit_(absl::ToChronoNanoseconds(options_.dial_limit)),
      wire_(wire),
      last_link_(options_.first_link - 1) {}

// ---- Receiving ----

PeerTable::Received PeerTable::Receive(SteadyTime now, const v1::Envelope& envelope) {
  if (envelope.has_hello()) return OnHello(now, envelope);
  if (envelope.incarnation() == options_.incarnation) return Dropped(DropReason::kIdentity);
  if (envelope.to_incarnation() != options_.incarnation) return Dropped(DropReason::kStale);
  if (envelope.has_hello_ack()) return OnHelloAck(now, envelope);

  const auto found = peers_.find(envelope.incarnation());
  if (found == peers_.end()) {
    const bool gone =
        std::find(given_up_.begin(), given_up_.end(), envelope.incarnation()) != given_up_.end();
    return Dropped(gone ? DropReason::kStale : DropReason::kUnknown);
  }
  Entry& entry = found->second;
  if (!OnPeering(entry, envelope.peering())) return Dropped(DropReason::kStale);
  entry.heard = now;
  const bool of_this_meeting = envelope.peering_seen() == entry.ours;
  if (of_this_meeting && entry.state == State::kGreeted) SetUp(now, entry);
  if (envelope.has_heartbeat()) {
    OnHeartbeat(now, entry, envelope.heartbeat());
    return {Verdict::kHandled};
  }
  if (!of_this_meeting) return Dropped(DropReason::kStale);
  if (entry.state == State::kStalled) SetUp(now, entry);  // what works sends messages
  return {Verdict::kDeliver};
}

PeerTable::Received PeerTable::OnHello(SteadyTime now, const v1::Envelope& envelope) {
  const v1::Hello& hello = envelope.hello();
  const uint64_t incarnation = envelope.incarnation();
  if (incarnation == options_.incarnation) {
    if (Link* link = FindLink(hello.link())) Refuse(now, *link, "it is this process's own inbox");
    return Dropped(DropReason::kIdentity);
  }
  if (absl::Status status = CheckInbox(hello.inbox()); !status.ok()) {
    return Dropped(DropReason::kMalformed, absl::StrCat("hello.inbox: ", status.message()));
  }
  const std::string refused = options_.compatible(options_.self, hello);
  const auto found = peers_.find(incarnation);
  const bool known = found != peers_.end();
  if (!known && refused.empty() && peers_.size() >= options_.max_links) {
    return Dropped(DropReason::kRefused, "one peer too many");
  }
  Link* link = known ? FindLink(found->second.route) : nullptr;
  if (link == nullptr) link = FindInbox(hello.inbox());
  if (link == nullptr) link = OpenLink(now, hello.inbox(), /*kept=*/false);
  if (link == nullptr) return Dropped(DropReason::kRefused, "one link too many");
  if (!refused.empty()) {
    SendAnswer(*link, {incarnation, hello.link(), refused});
    return Dropped(DropReason::kRefused, refused);
  }

  Entry& entry = known ? found->second : Meet(now, incarnation);
  if (entry.state == State::kGreeted) entry.route = link->id;
  entry.heard = now;
  Describe(entry.peer, hello);
  // First the answer, then our own question: the peer can be up after one message.
  SendAnswer(*link, {incarnation, hello.link(), ""});
  if (link->incarnation != incarnation && !link->asking) Ask(now, *link);
  return {Verdict::kHandled};
}

PeerTable::Received PeerTable::OnHelloAck(SteadyTime now, const v1::Envelope& envelope) {
  const v1::HelloAck& ack = envelope.hello_ack();
  const uint64_t incarnation = envelope.incarnation();
  Link* link = FindLink(ack.link());
  if (link == nullptr || ack.to_incarnation() != options_.incarnation) {
    return Dropped(DropReason::kStale);
  }
  if (!link->asking) {  // an answer to a Hello that was repeated
    return link->incarnation == incarnation ? Received{Verdict::kHandled}
                                            : Dropped(DropReason::kStale);
  }
  if (const uint64_t before = std::exchange(link->incarnation, incarnation);
      before != 0 && before != incarnation) {
    GiveUp(now, before, "another process answers at its address");
  }
  if (!ack.refused().empty()) {
    Refuse(now, *link, absl::StrCat("it refuses: ", ack.refused()));
    return {Verdict::kHandled};
  }
  if (const std::string why = options_.compatible(options_.self, ack.self()); !why.empty()) {
    Refuse(now, *link, why);
    return Dropped(DropReason::kRefused, why);
  }

  link->asking = false;
  link->refused.clear();
  auto found = peers_.find(incarnation);
  const bool stalled = found != peers_.end() && found->second.state == State::kStalled;
  FailExpected(
      *link, [&](const Expected& e) { return e.incarnation != incarnation; },
      "another process answers at its address");
  if (stalled)
    FailExpected(
        *link, [](const Expected&) { return true; }, "it is stalled");
  Entry& entry = found != peers_.end() ? found->second : Meet(now, incarnation);
  Describe(entry.peer, ack.self());
  if (entry.state == State::kGreeted || FindLink(entry.route) == nullptr) entry.route = link->id;
  if (!OnPeering(entry, envelope.peering())) return Dropped(DropReason::kStale);
  entry.heard = now;
  if (entry.state == State::kGreeted) SetUp(now, entry);
  return {Verdict::kHandled};
}

// Takes in the peer's number of this meeting. False: the message is from an earlier one.
bool PeerTable::OnPeering(Entry& entry, uint64_t peering) {
  if (peering == 0 || peering < entry.theirs) return false;
  const bool gave_us_up = entry.theirs != 0 && peering > entry.theirs;
  entry.theirs = peering;
  if (gave_us_up && entry.state == State::kUp) {
    entry.state = State::kGreeted;  // the message at hand, or the next, brings it up again
    wire_->Down(entry.peer.incarnation, "it had given this process up");
  }
  return true;
}

void PeerTable::OnHeartbeat(SteadyTime now, Entry& entry, const v1::Heartbeat& heartbeat) {
  const bool moved = !heartbeat.busy() || heartbeat.step() != entry.peer.heartbeat.step();
  entry.peer.heartbeat = heartbeat;
  const double bound =
      std::min(heartbeat.step_bound_seconds(), absl::ToDoubleSeconds(options_.max_step_bound));
  entry.bound = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bound));
  if (moved) entry.moved = now;
  if (moved && entry.state == State::kStalled) SetUp(now, entry);
  if (entry.state == State::kUp) wire_->Beat(entry.peer);
}

// ---- Peers ----

void PeerTable::Describe(Peer& peer, const v1::Hello& hello) {
  peer.stage = hello.stage();
  peer.inbox = hello.inbox();
  peer.hello = hello;
}

PeerTable::Entry& PeerTable::Meet(SteadyTime now, uint64_t incarnation) {
  Entry& entry = peers_[incarnation];
  entry.peer.incarnation = incarnation;
  entry.ours = ++meetings_;
  entry.heard = now;
  return entry;
}

void PeerTable::SetUp(SteadyTime now, Entry& entry) {
  entry.state = State::kUp;
  entry.moved = now;
  for (Link& link : links_) {
    std::erase_if(link.expected,
                  [&](const Expected& e) { return e.incarnation == entry.peer.incarnation; });
  }
  wire_->Up(entry.peer);
  SendHeartbeat(entry, OwnHeartbeat());  // lets a peer that has only greeted us count us as up
}

void PeerTable::GiveUp(SteadyTime now, uint64_t incarnation, const std::string& why) {
  const auto found = peers_.find(incarnation);
  if (found == peers_.end()) return;
  const bool was_up = found->second.state == State::kUp;
  const uint64_t route = found->second.route;
  peers_.erase(found);
  given_up_.push_back(incarnation);
  if (given_up_.size() > kRememberedGivenUp) given_up_.pop_front();
  if (was_up) wire_->Down(incarnation, why);
  for (auto link = links_.begin(); link != links_.end();) {
    const bool led_there =
        link->incarnation == incarnation || (link->incarnation == 0 && link->id == route);
    if (!led_there) {
      ++link;
    } else if (link->kept || !link->expected.empty()) {
      Reopen(now, *link++);
    } else {
      if (link->id != 0) wire_->Close(link->id);
      link = links_.erase(link);
    }
  }
}

void PeerTable::Stall(SteadyTime now, Entry& entry) {
  entry.state = State::kStalled;
  entry.ours = ++meetings_;
  wire_->Down(entry.peer.incarnation,
              absl::StrCat("stalled: step ", entry.peer.heartbeat.step(), " has stood still for ",
                           Text(now - entry.moved)));
  SendHeartbeat(entry, OwnHeartbeat());  // it learns the new number
}

void PeerTable::TickPeers(SteadyTime now) {
  if (last_tick_) {
    // Time in which this process did not run says nothing about its peers.
    const Duration late = now - *last_tick_;
    if (late > silence_ / 2) {
      for (auto& [incarnation, entry] : peers_) {
        entry.heard = std::min(now, entry.heard + late);
        entry.moved = std::min(now, entry.moved + late);
      }
    }
  }
  last_tick_ = now;
  std::vector<uint64_t> silent;
  for (auto& [incarnation, entry] : peers_) {
    const Duration patience = entry.state == State::kGreeted ? dial_limit_ : silence_;
    if (now - entry.heard > patience) {
      silent.push_back(incarnation);
    } else if (entry.state == State::kUp && entry.peer.heartbeat.busy() &&
               now - entry.moved > std::max(stall_, entry.bound)) {
      Stall(now, entry);
    }
  }
  for (const uint64_t incarnation : silent) {
    GiveUp(now, incarnation, absl::StrCat("silent for ", absl::FormatDuration(options_.silence)));
  }
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + heartbeat_interval_;
  const v1::Heartbeat heartbeat = OwnHeartbeat();
  for (const auto& [incarnation, entry] : peers_) {
    if (entry.state != State::kGreeted) SendHeartbeat(entry, heartbeat);
  }
}

v1::Heartbeat PeerTable::OwnHeartbeat() const {
  return options_.heartbeat ? options_.heartbeat() : v1::Heartbeat();
}

void PeerTable::SendHeartbeat(const Entry& entry, const v1::Heartbeat& heartbeat) {
  v1::Envelope envelope;
  SetHead(entry, &envelope);
  *envelope.mutable_heartbeat() = heartbeat;
  wire_->Send(entry.route, envelope);
}

void PeerTable::SetHead(const Entry& entry, v1::Envelope* envelope) const {
  envelope->set_version(kProtocolVersion);
  envelope->set_incarnation(options_.incarnation);
  envelope->set_to_incarnation(entry.peer.incarnation);
  envelope->set_peering(entry.ours);
  envelope->set_peering_seen(entry.theirs);
}

uint64_t PeerTable::Address(uint64_t incarnation, v1::Envelope* envelope) const {
  const auto found = peers_.find(incarnation);
  if (found == peers_.end() || found->second.state != State::kUp) return 0;
  SetHead(found->second, envelope);
  return found->second.route;
}

void PeerTable::Tick(SteadyTime now) {
  TickLinks(now);
  TickPeers(now);
}

}  // namespace shoal::transport
