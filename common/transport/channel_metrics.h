// Publishes a channel's counters as metrics: shoal_messages_{sent,received}_total,
// shoal_message_bytes_total{direction}, shoal_messages_dropped_total{reason},
// shoal_sends_refused_total, shoal_messages_undelivered_total, shoal_peers{stage}.
#ifndef SHOAL_COMMON_TRANSPORT_CHANNEL_METRICS_H_
#define SHOAL_COMMON_TRANSPORT_CHANNEL_METRICS_H_

#include "common/service/metrics.h"
#include "common/transport/channel.h"

namespace shoal::transport {

// `channel` must outlive every scrape of `metrics`.
void PublishChannelMetrics(const Channel& channel, service::Metrics* metrics);

}  // namespace shoal::transport

#endif  // SHOAL_COMMON_TRANSPORT_CHANNEL_METRICS_H_
