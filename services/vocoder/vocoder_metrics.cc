#include "services/vocoder/vocoder_metrics.h"

#include <string>

namespace shoal::vocoder {
namespace {

prometheus::Counter& Streams(service::Metrics* metrics, const std::string& outcome) {
  return metrics->Counter("shoal_vocoder_streams_total", "Streams by how they ended",
                          {{"outcome", outcome}});
}

prometheus::Counter& Dropped(service::Metrics* metrics, const std::string& reason) {
  return metrics->Counter("shoal_vocoder_frames_dropped_total",
                          "Frames that arrived and were not decoded", {{"reason", reason}});
}

prometheus::Histogram& StepSeconds(service::Metrics* metrics, const std::string& phase) {
  return metrics->Histogram("shoal_step_seconds", "Time of one step by what it was spent on",
                            service::StepBuckets(), {{"phase", phase}});
}

prometheus::Gauge& Slots(service::Metrics* metrics, const std::string& state) {
  return metrics->Gauge("shoal_vocoder_slots", "Places for streams", {{"state", state}});
}

double Seconds(DecodeLoop::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

VocoderMetrics::VocoderMetrics(service::Metrics* metrics)
    : closed(Streams(metrics, "closed")),
      failed(Streams(metrics, "failed")),
      refused(Streams(metrics, "refused")),
      repeated_frames(Dropped(metrics, "repeated")),
      unknown_stream_frames(Dropped(metrics, "unknown_stream")),
      other_attempt_frames(Dropped(metrics, "other_attempt")),
      unexpected_messages(metrics->Counter("shoal_stage_messages_unexpected_total",
                                           "Messages of other stages that fitted no stream")),
      batch_size_(metrics->Histogram("shoal_batch_size", "Streams in a step",
                                     service::BatchBuckets(), {{"stage", "vocoder"}})),
      decode_seconds_(StepSeconds(metrics, "decode")),
      emit_seconds_(StepSeconds(metrics, "emit")),
      frames_(metrics->Counter("shoal_frames_decoded_total", "Audio frames decoded")),
      clamped_(metrics->Counter("shoal_codes_clamped_total",
                                "Codes beyond their codebook, decoded as its nearest entry")),
      slots_free_(Slots(metrics, "free")),
      slots_used_(Slots(metrics, "used")) {}

void VocoderMetrics::CountStep(const DecodeLoop::StepReport& report) {
  batch_size_.Observe(report.streams);
  decode_seconds_.Observe(Seconds(report.decode));
  emit_seconds_.Observe(Seconds(report.emit));
  frames_.Increment(report.frames);
  clamped_.Increment(static_cast<double>(report.clamped));
}

void VocoderMetrics::SetLoad(const DecodeLoop& loop) {
  slots_free_.Set(loop.free_slots());
  slots_used_.Set(loop.open_streams());
}

}  // namespace shoal::vocoder
