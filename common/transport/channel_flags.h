// The flags of a server for its place on the pipeline network.
#ifndef SHOAL_COMMON_TRANSPORT_CHANNEL_FLAGS_H_
#define SHOAL_COMMON_TRANSPORT_CHANNEL_FLAGS_H_

#include "absl/status/status.h"
#include "common/service/flag_set.h"
#include "common/transport/channel.h"

namespace shoal::transport {

// --inbox, --advertise, --allow-insecure-tcp and --peer-silence. Set other defaults in *options
// before.
void AddChannelFlags(service::FlagSet& set, Channel::Options* options);

// INVALID_ARGUMENT names the flag. Addresses are checked when the channel starts.
absl::Status CheckChannelFlags(const Channel::Options& options);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_CHANNEL_FLAGS_H_
