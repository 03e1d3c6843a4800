// What the front counts and measures; names as operators know them. Owned by main beside the
// Metrics it registers with. Any thread may update; a label value never comes from a request.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_METRICS_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_METRICS_H_

#include <string>

#include "common/service/metrics.h"

namespace shoal::preprocess {

class FrontMetrics {
 public:
  explicit FrontMetrics(service::Metrics* metrics);

  // A turn whose speech was no speech of its text. `kind` is "runaway" or "too_short".
  void CountSuspectTurn(const std::string& kind);

  // A session ended. `outcome` is "ok", "refused", "failed" or "cancelled"; `reason` is one of
  // errors.h or empty, and anything else is counted as "OTHER".
  void CountStream(const std::string& outcome, const std::string& reason);

  prometheus::Histogram& time_to_first_audio_seconds;
  prometheus::Histogram& inter_chunk_seconds;
  prometheus::Histogram& request_duration_seconds;
  prometheus::Histogram& audio_rtf;
  prometheus::Counter& audio_seconds;
  prometheus::Counter& audio_underrun_seconds;
  prometheus::Counter& streams_continuous;
  prometheus::Gauge& requests_running;
  prometheus::Gauge& audio_waiting_bytes;
  prometheus::Counter& stage_messages_unexpected;

 private:
  prometheus::Counter& SuspectTurns(const std::string& kind);

  service::Metrics* metrics_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_FRONT_METRICS_H_
