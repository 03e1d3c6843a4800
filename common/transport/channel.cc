#include "common/transport/channel.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/network.h"

namespace shoal::transport {

Channel::Channel(std::unique_ptr<Network> network) : network_(std::move(network)) {}

Channel::~Channel() = default;

absl::StatusOr<std::unique_ptr<Channel>> Channel::Start(Options options, Handlers handlers) {
  try {  // no thread, no file descriptor
    auto network = std::make_unique<Network>(std::move(options), std::move(handlers));
    if (absl::Status status = network->Start(); !status.ok()) return status;
    return std::unique_ptr<Channel>(new Channel(std::move(network)));
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(absl::StrCat("channel: ", error.what()));
  }
}

absl::Status Channel::Send(uint64_t incarnation, Message message) {
  return network_->Send(incarnation, std::move(message));
}

absl::Status Channel::Dial(const std::string& inbox) { return network_->Dial(inbox, 0); }

absl::Status Channel::Dial(const std::string& inbox, uint64_t incarnation) {
  if (incarnation == 0) return absl::InvalidArgumentError("incarnation 0 names no process");
  return network_->Dial(inbox, incarnation);
}

std::vector<Peer> Channel::peers() const { return network_->peers(); }

uint64_t Channel::incarnation() const { return network_->incarnation(); }

std::string Channel::inbox() const { return network_->inbox(); }

std::vector<std::string> Channel::unanswered() const { return network_->unanswered(); }

ChannelCounters Channel::counters() const { return network_->counters(); }

}  // namespace shoal::transport
