#include "tests/common/transport/peer_world.h"

namespace shoal::transport {

namespace v1 = pipeline::v1;

Node::Node(World* world, uint64_t incarnation, const std::string& inbox, PeerTable::Options options)
    : world_(world), incarnation_(incarnation), inbox_(inbox) {
  options.incarnation = incarnation;
  options.self.set_inbox(inbox);
  options.heartbeat = [this] { return heartbeat; };
  if (!options.compatible) options.compatible = DisagreementOf;
  table_ = std::make_unique<PeerTable>(std::move(options), this);
}

bool Node::SendTo(uint64_t peer) {
  v1::Envelope envelope;
  const uint64_t link = table_->Address(peer, &envelope);
  if (link == 0) return false;
  envelope.mutable_cancel()->mutable_stream()->set_low(sessions_.at(peer));
  Send(link, envelope);
  return true;
}

void Node::Open(uint64_t link, const std::string& inbox) { links_[link] = {inbox, false}; }

void Node::Close(uint64_t link) { links_.erase(link); }

void Node::Send(uint64_t link, const v1::Envelope& envelope) {
  const auto found = links_.find(link);
  if (found == links_.end() || !found->second.second) return;
  if (Node* to = world_->Find(found->second.first)) to->mailbox_.push_back(envelope);
}

void Node::Up(const Peer& peer) {
  sessions_[peer.incarnation] = world_->next_session_++;
  ++ups_[peer.incarnation];
}

void Node::Down(uint64_t incarnation, const std::string& why) {
  sessions_.erase(incarnation);
  downs_.push_back(why);
}

Node& World::Start(uint64_t incarnation, const std::string& inbox, v1::Stage stage,
                   PeerTable::Options options) {
  options.self.set_stage(stage);
  options.first_link = next_link_;
  next_link_ += 1'000'000;
  auto& node = nodes_[incarnation];
  node = std::make_unique<Node>(this, incarnation, inbox, std::move(options));
  return *node;
}

void World::Kill(uint64_t incarnation) {
  Node& gone = *nodes_.at(incarnation);
  for (auto& [other, node] : nodes_) {
    if (node.get() != &gone) Cut(*node, gone);
  }
  nodes_.erase(incarnation);
}

void World::Cut(Node& from, Node& to) {
  std::vector<uint64_t> cut;
  for (auto& [link, state] : from.links_) {
    if (Find(state.first) == &to && state.second) cut.push_back(link);
  }
  for (const uint64_t link : cut) {
    from.links_.at(link).second = false;
    from.table().LinkClosed(now_, link);
  }
}

Node* World::Find(const std::string& inbox) {
  const auto alias = aliases_.find(inbox);
  const std::string& real = alias == aliases_.end() ? inbox : alias->second;
  for (auto& [incarnation, node] : nodes_) {
    if (node->inbox() == real) return node.get();
  }
  return nullptr;
}

void World::Run(absl::Duration time) {
  const SteadyTime end = now_ + absl::ToChronoNanoseconds(time);
  while (now_ < end) {
    now_ += std::chrono::milliseconds(20);
    Tick();
  }
}

void World::Tick() {
  for (auto& [incarnation, node] : nodes_) {
    if (node->stopped) continue;
    std::vector<uint64_t> ready;
    for (auto& [link, state] : node->links_) {
      Node* to = Find(state.first);
      if (!state.second && to != nullptr && !to->stopped) ready.push_back(link);
    }
    for (const uint64_t link : ready) {
      const auto found = node->links_.find(link);
      if (found == node->links_.end()) continue;
      found->second.second = true;
      node->table().LinkReady(now_, link);
    }
  }
  for (auto& [incarnation, node] : nodes_) {
    if (node->stopped) continue;
    Deliver(*node);
    node->table().Tick(now_);
  }
}

void World::Deliver(Node& node) {
  std::deque<v1::Envelope> arrived = std::exchange(node.mailbox_, {});
  for (const v1::Envelope& envelope : arrived) {
    const PeerTable::Received received = node.table().Receive(now_, envelope);
    if (received.verdict == PeerTable::Verdict::kDropped) ++node.dropped[received.reason];
    if (received.verdict != PeerTable::Verdict::kDeliver) continue;
    ++node.delivered;
    NotePartners(envelope.cancel().stream().low(), node.sessions_.at(envelope.incarnation()));
  }
}

void World::NotePartners(uint64_t sender, uint64_t receiver) {
  for (const auto& [a, b] : {std::pair(sender, receiver), std::pair(receiver, sender)}) {
    const auto [known, added] = partners_.try_emplace(a, b);
    if (known->second != b) sessions_match = false;
  }
}

}  // namespace shoal::transport
