// What the vocoder counts and measures. Owned beside the Metrics it registers with; updated by the
// model thread, read by scrapes.
#ifndef SHOAL_SERVICES_VOCODER_VOCODER_METRICS_H_
#define SHOAL_SERVICES_VOCODER_VOCODER_METRICS_H_

#include "common/service/metrics.h"
#include "services/vocoder/decode_loop.h"

namespace shoal::vocoder {

class VocoderMetrics {
 public:
  explicit VocoderMetrics(service::Metrics* metrics);

  // After every step that ran.
  void CountStep(const DecodeLoop::StepReport& report);
  // After everything that changes them.
  void SetLoad(const DecodeLoop& loop);

  // Streams by how they ended; "refused" ones never began.
  prometheus::Counter& closed;
  prometheus::Counter& failed;
  prometheus::Counter& refused;

  // Frames that were not decoded.
  prometheus::Counter& repeated_frames;
  prometheus::Counter& unknown_stream_frames;
  prometheus::Counter& other_attempt_frames;

  prometheus::Counter& unexpected_messages;

 private:
  prometheus::Histogram& batch_size_;
  prometheus::Histogram& decode_seconds_;
  prometheus::Histogram& emit_seconds_;
  prometheus::Counter& frames_;
  prometheus::Counter& clamped_;
  prometheus::Gauge& slots_free_;
  prometheus::Gauge& slots_used_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_VOCODER_METRICS_H_
