#include "common/transport/channel_flags.h"

#include "absl/strings/str_cat.h"

namespace shoal::transport {

void AddChannelFlags(service::FlagSet& set, Channel::Options* options) {
  set.Add("inbox", &options->bind, "where peers reach this process: tcp://host:port or ipc://path");
  set.Add("advertise", &options->advertise, "the inbox as peers dial it; empty = as bound");
  set.Add("allow-insecure-tcp", &options->allow_insecure_tcp,
          "bind an inbox beyond loopback although its traffic is not encrypted");
  set.Add("peer-silence", &options->silence,
          "after which a peer whose connection stands is taken for dead");
}

absl::Status CheckChannelFlags(const Channel::Options& options) {
  if (options.bind.empty()) {
    return absl::InvalidArgumentError("--inbox: expected tcp://host:port or ipc://path");
  }
  // A heartbeat that is one late must not bring a peer down.
  const absl::Duration least = 2 * options.heartbeat_interval;
  if (options.silence < least || options.silence > absl::Hours(1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--peer-silence: ", absl::FormatDuration(options.silence), "; expected ",
                     absl::FormatDuration(least), " to 1h"));
  }
  return absl::OkStatus();
}

}  // namespace shoal::transport
