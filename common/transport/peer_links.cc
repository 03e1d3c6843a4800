// The links of PeerTable: opening, asking who is there, closing.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/message.h"
#include "common/transport/peer_table.h"

namespace shoal::transport {
namespace {

namespace v1 = pipeline::v1;

constexpr int kRefusedPatience = 10;  // a refused Hello is repeated that much more slowly

}  // namespace

void PeerTable::Dial(SteadyTime now, const std::string& inbox) {
  if (Link* link = FindInbox(inbox)) {
    link->kept = true;
  } else if (OpenLink(now, inbox, /*kept=*/true) == nullptr) {
    wire_->Log(absl::StrCat("cannot dial ", inbox, ": one link too many"));
  }
}

void PeerTable::Dial(SteadyTime now, const std::string& inbox, uint64_t incarnation) {
  Link* link = nullptr;
  if (const auto found = peers_.find(incarnation); found != peers_.end()) {
    if (found->second.state == State::kUp) return;
    if (found->second.state == State::kStalled) return wire_->Down(incarnation, "it is stalled");
    link = FindLink(found->second.route);
  }
  if (link == nullptr) link = FindInbox(inbox);
  if (link == nullptr) link = OpenLink(now, inbox, /*kept=*/false);
  if (link == nullptr) return wire_->Down(incarnation, "cannot dial: one link too many");
  link->expected.push_back({incarnation, now + dial_limit_});
  if (!link->asking) Ask(now, *link);  // somebody else answered there: perhaps no more
  link->until = now + dial_limit_;
}

void PeerTable::LinkReady(SteadyTime now, uint64_t id) {
  Link* link = FindLink(id);
  if (link == nullptr) return;
  link->ready = true;
  if (const std::optional<Answer> owed = std::exchange(link->owed, std::nullopt)) {
    SendAnswer(*link, *owed);
  }
  if (link->asking) SendHello(now, *link);
}

void PeerTable::LinkClosed(SteadyTime now, uint64_t id) {
  std::vector<uint64_t> cut_off;
  for (const auto& [incarnation, entry] : peers_) {
    if (entry.route == id) cut_off.push_back(incarnation);
  }
  for (const uint64_t incarnation : cut_off) GiveUp(now, incarnation, "its connection closed");
  if (Link* link = FindLink(id)) Reopen(now, *link);
}

void PeerTable::Refuse(SteadyTime now, Link& link, const std::string& why) {
  if (link.refused != why) wire_->Log(absl::StrCat("cannot work with ", link.inbox, ": ", why));
  link.refused = why;
  link.incarnation = 0;
  link.asking = true;
  link.next = now + kRefusedPatience * hello_interval_;
  FailExpected(
      link, [](const Expected&) { return true; }, why);
}

void PeerTable::FailExpected(Link& link, const std::function<bool(const Expected&)>& which,
                             const std::string& why) {
  std::vector<uint64_t> failed;
  std::erase_if(link.expected, [&](const Expected& e) {
    if (which(e)) failed.push_back(e.incarnation);
    return which(e);
  });
  for (const uint64_t incarnation : failed) wire_->Down(incarnation, why);
}

PeerTable::Link* PeerTable::FindLink(uint64_t id) {
  for (Link& link : links_) {
    if (link.id == id && id != 0) return &link;
  }
  return nullptr;
}

PeerTable::Link* PeerTable::FindInbox(const std::string& inbox) {
  for (Link& link : links_) {
    if (link.inbox == inbox) return &link;
  }
  return nullptr;
}

PeerTable::Link* PeerTable::OpenLink(SteadyTime now, const std::string& inbox, bool kept) {
  if (links_.size() >= options_.max_links) return nullptr;
  Link& link = links_.emplace_back();
  link.id = ++last_link_;
  link.inbox = inbox;
  link.kept = kept;
  link.next = now;
  link.until = now + dial_limit_;
  wire_->Open(link.id, inbox);
  return &link;
}

// Under a new number, since the far end may not have noticed yet that the old connection is gone.
// Not at once: what closes every connection must not keep this thread busy.
void PeerTable::Reopen(SteadyTime now, Link& link) {
  if (link.id != 0) wire_->Close(link.id);
  link.id = 0;
  link.ready = false;
  link.asking = true;
  link.incarnation = 0;
  link.owed.reset();
  link.next = now + hello_interval_;
}

void PeerTable::Ask(SteadyTime now, Link& link) {
  link.asking = true;
  link.until = now + dial_limit_;
  SendHello(now, link);
}

void PeerTable::SendHello(SteadyTime now, Link& link) {
  link.next = now + hello_interval_;
  v1::Envelope envelope;
  envelope.set_version(kProtocolVersion);
  envelope.set_incarnation(options_.incarnation);
  *envelope.mutable_hello() = options_.self;
  envelope.mutable_hello()->set_link(link.id);
  wire_->Send(link.id, envelope);
}

void PeerTable::SendAnswer(Link& link, const Answer& answer) {
  if (!link.ready) {
    link.owed = answer;
    return;
  }
  v1::Envelope envelope;
  envelope.set_version(kProtocolVersion);
  envelope.set_incarnation(options_.incarnation);
  envelope.set_to_incarnation(answer.to);
  if (const auto found = peers_.find(answer.to); found != peers_.end()) {
    SetHead(found->second, &envelope);
  }
  v1::HelloAck* ack = envelope.mutable_hello_ack();
  *ack->mutable_self() = options_.self;
  ack->set_to_incarnation(answer.to);
  ack->set_link(answer.link);
  ack->set_refused(answer.refused);
  wire_->Send(link.id, envelope);
}

void PeerTable::TickLinks(SteadyTime now) {
  std::vector<uint64_t> unanswered;
  for (Link& link : links_) {
    FailExpected(
        link, [&](const Expected& e) { return e.until <= now; },
        absl::StrCat("nobody has answered at ", link.inbox));
    if (link.id == 0 && now >= link.next) {
      link.id = ++last_link_;
      link.next = now;
      wire_->Open(link.id, link.inbox);
    }
    if (link.id != 0 && link.asking && now >= link.next) SendHello(now, link);
  }
  for (auto link = links_.begin(); link != links_.end();) {
    const bool over = !link->kept && link->asking && link->expected.empty() && now > link->until;
    if (!over) {
      ++link;
      continue;
    }
    for (const auto& [incarnation, entry] : peers_) {
      if (entry.route == link->id && link->id != 0) unanswered.push_back(incarnation);
    }
    if (link->id != 0) wire_->Close(link->id);
    link = links_.erase(link);
  }
  for (const uint64_t incarnation : unanswered) {
    GiveUp(now, incarnation, "it does not answer at its inbox");
  }
}

std::vector<std::string> PeerTable::Unanswered() const {
  std::vector<std::string> lines;
  for (const Link& link : links_) {
    if (!link.kept) continue;
    if (link.asking) {
      lines.push_back(
          absl::StrCat(link.inbox, ": ", link.refused.empty() ? "no answer" : link.refused));
      continue;
    }
    const auto found = peers_.find(link.incarnation);
    if (found != peers_.end() && found->second.state == State::kStalled) {
      lines.push_back(absl::StrCat(link.inbox, ": stalled"));
    }
  }
  return lines;
}

}  // namespace shoal::transport
