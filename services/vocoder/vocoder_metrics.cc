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

prometheus::Counter& Rebuilt(service::Metrics* metrics, const std::string& cause) {
  return metrics->Counter("shoal_vocoder_states_rebuilt_total",
                          "Streams whose decoder state was made again from codes",
                          {{"cause", cause}});
}

prometheus::Counter& Old(service::Metrics* metrics, const std::string& kind) {
  return metrics->Counter("shoal_vocoder_old_news_total",
                          "Messages of fronts that were overtaken by newer ones", {{"kind", kind}});
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
      rebuilt_at_submit(Rebuilt(metrics, "submit")),
      rebuilt_at_resume(Rebuilt(metrics, "resume")),
      resumed(metrics->Counter("shoal_vocoder_streams_resumed_total",
                               "Streams that went on in a new attempt")),
      old_credits(Old(metrics, "audio_credit")),
      old_resumes(Old(metrics, "resume")),
      unexpected_messages(metrics->Counter("shoal_stage_messages_unexpected_total",
                                           "Messages of other stages that fitted no stream")),
      batch_size_(metrics->Histogram("shoal_batch_size", "Streams in a step",
                                     service::BatchBuckets(), {{"stage", "vocoder"}})),
      chunk_frames_(metrics->Histogram("shoal_vocoder_chunk_frames",
                                       "Frames of one stream in a step", {1, 2, 4, 8})),
      decode_seconds_(StepSeconds(metrics, "decode")),
      emit_seconds_(StepSeconds(metrics, "emit")),
      frames_(metrics->Counter("shoal_frames_decoded_total", "Audio frames decoded")),
      replayed_(metrics->Counter("shoal_vocoder_frames_replayed_total",
                                 "Frames decoded again for a state, heard by nobody")),
      clamped_(metrics->Counter("shoal_codes_clamped_total",
                                "Codes beyond their codebook, decoded as its nearest entry")),
      slots_free_(Slots(metrics, "free")),
      slots_used_(Slots(metrics, "used")),
      at_credit_(metrics->Gauge("shoal_vocoder_streams_at_credit",
                                "Streams with frames that their front does not take yet")) {}

void VocoderMetrics::CountStep(const DecodeLoop::StepReport& report) {
  for (const DecodeLoop::Batch& batch : report.batches) {
    batch_size_.Observe(batch.streams);
    chunk_frames_.Observe(batch.frames);
    frames_.Increment(batch.streams * batch.frames);
  }
  if (!report.batches.empty()) {
    decode_seconds_.Observe(Seconds(report.decode));
    emit_seconds_.Observe(Seconds(report.emit));
  }
  replayed_.Increment(report.replayed);
  clamped_.Increment(static_cast<double>(report.clamped));
}

void VocoderMetrics::SetLoad(const DecodeLoop& loop) {
  slots_free_.Set(loop.free_slots());
  slots_used_.Set(loop.open_streams());
  at_credit_.Set(loop.streams_at_credit());
}

}  // namespace shoal::vocoder
