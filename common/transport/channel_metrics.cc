#include "common/transport/channel_metrics.h"

#include <algorithm>
#include <string>

namespace shoal::transport {

void PublishChannelMetrics(const Channel& channel, service::Metrics* metrics) {
  const auto count = [&](const std::string& name, const std::string& help,
                         const service::MetricLabels& labels, auto read) {
    metrics->CounterFrom(name, help, labels, [&channel, read] {
      return static_cast<double>(read(channel.counters()));
    });
  };
  using C = ChannelCounters;
  count("shoal_messages_sent_total", "Messages sent to other stages.", {},
        [](const C& c) { return c.messages_sent; });
  count("shoal_messages_received_total", "Messages received from other stages.", {},
        [](const C& c) { return c.messages_received; });
  const std::string bytes = "Bytes of messages between the stages.";
  count("shoal_message_bytes_total", bytes, {{"direction", "sent"}},
        [](const C& c) { return c.bytes_sent; });
  count("shoal_message_bytes_total", bytes, {{"direction", "received"}},
        [](const C& c) { return c.bytes_received; });
  count("shoal_sends_refused_total", "Messages not taken: the peer was not up, or too far behind.",
        {}, [](const C& c) { return c.sends_refused; });
  count("shoal_messages_undelivered_total", "Queued messages whose peer went down.", {},
        [](const C& c) { return c.undelivered; });
  for (size_t i = 0; i < kDropReasons; ++i) {
    count("shoal_messages_dropped_total", "Received messages that were not used.",
          {{"reason", std::string(DropReasonName(static_cast<DropReason>(i)))}},
          [i](const C& c) { return c.dropped[i]; });
  }
  const auto peers = [&](const std::string& label, pipeline::v1::Stage stage) {
    metrics->GaugeFrom(
        "shoal_peers", "Processes of each stage that this one is connected to.", {{"stage", label}},
        [&channel, stage] {
          const auto all = channel.peers();
          return static_cast<double>(std::count_if(
              all.begin(), all.end(), [&](const Peer& p) { return p.stage == stage; }));
        });
  };
  peers("preprocess", pipeline::v1::FRONT);
  peers("ar_engine", pipeline::v1::ENGINE);
  peers("vocoder", pipeline::v1::VOCODER);
}

}  // namespace shoal::transport
