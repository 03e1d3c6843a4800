// What is counted of uploaded recordings and of the codes kept of them. Owned by main's Metrics'
// user; any thread may update. "memory", "disk" and "in_flight" are where codes were found: kept by
// this process, kept in --reference-cache-dir, being made for another request.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_METRICS_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_METRICS_H_

#include "common/service/metrics.h"

namespace shoal::preprocess {

struct ReferenceMetrics {
  explicit ReferenceMetrics(service::Metrics* metrics);

  prometheus::Histogram& encode_seconds;
  prometheus::Gauge& encoding;    // recordings that workers have in hand
  prometheus::Gauge& waiting;     // recordings that wait for a worker
  prometheus::Gauge& audio_left;  // seconds of audio of both that are still to be encoded
  prometheus::Counter& stopped;   // encodings that nobody waited for any more
  prometheus::Counter& memory_hits;
  prometheus::Counter& disk_hits;
  prometheus::Counter& in_flight_hits;
  prometheus::Counter& misses;
  prometheus::Gauge& memory_bytes;
  prometheus::Gauge& disk_bytes;
  prometheus::Counter& memory_evictions;
  prometheus::Counter& disk_evictions;
  prometheus::Counter& disk_errors;  // files moved aside, rows dropped, what the disk refused
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_METRICS_H_
