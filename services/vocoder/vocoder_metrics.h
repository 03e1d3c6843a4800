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

  // Streams whose state was made again from codes: where they were opened, where they went back.
  prometheus::Counter& rebuilt_at_submit;
  prometheus::Counter& rebuilt_at_resume;
  prometheus::Counter& resumed;

  // News that newer ones had overtaken, or of streams that are not here any more.
  prometheus::Counter& old_credits;
  prometheus::Counter& old_resumes;

  prometheus::Counter& unexpected_messages;

 private:
  prometheus::Histogram& batch_size_;
  prometheus::Histogram& chunk_frames_;
  prometheus::Histogram& decode_seconds_;
  prometheus::Histogram& emit_seconds_;
  prometheus::Counter& frames_;
  prometheus::Counter& replayed_;
  prometheus::Counter& clamped_;
  prometheus::Gauge& slots_free_;
  prometheus::Gauge& slots_used_;
  prometheus::Gauge& at_credit_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_VOCODER_METRICS_H_
