#include "services/ar_engine/engine_metrics.h"

#include <string>

namespace shoal::engine {
namespace {

prometheus::Counter& Turns(service::Metrics* metrics, const std::string& outcome) {
  return metrics->Counter("shoal_turns_total", "Turns by how they ended", {{"outcome", outcome}});
}

prometheus::Histogram& StepSeconds(service::Metrics* metrics, const std::string& phase) {
  return metrics->Histogram("shoal_step_seconds",
                            "Time of one step by what it was spent on; prefill is a model run that "
                            "took prompt positions in, decode one that did not",
                            service::StepBuckets(), {{"phase", phase}});
}

prometheus::Gauge& Blocks(service::Metrics* metrics, const std::string& state) {
  return metrics->Gauge("shoal_kv_blocks", "KV blocks of 16 positions", {{"state", state}});
}

double Seconds(Engine::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

EngineMetrics::EngineMetrics(service::Metrics* metrics)
    : stopped(Turns(metrics, "stop")),
      at_frame_limit(Turns(metrics, "max_frames")),
      cancelled(Turns(metrics, "cancelled")),
      runaway(Turns(metrics, "runaway")),
      failed(Turns(metrics, "failed")),
      refused(Turns(metrics, "refused")),
      unexpected_messages(metrics->Counter("shoal_stage_messages_unexpected_total",
                                           "Messages of other stages that fitted no stream")),
      queue_seconds(metrics->Histogram("shoal_request_queue_seconds",
                                       "From a turn's submission to its first step",
                                       service::LatencyBuckets())),
      prefill_seconds(metrics->Histogram("shoal_request_prefill_seconds",
                                         "From a turn's first step to its first frame",
                                         service::LatencyBuckets())),
      batch_size_(metrics->Histogram("shoal_batch_size", "Sequences in a step",
                                     service::BatchBuckets(), {{"stage", "ar_engine"}})),
      schedule_seconds_(StepSeconds(metrics, "schedule")),
      prefill_step_seconds_(StepSeconds(metrics, "prefill")),
      decode_step_seconds_(StepSeconds(metrics, "decode")),
      emit_seconds_(StepSeconds(metrics, "emit")),
      frames_(metrics->Counter("shoal_frames_generated_total", "Audio frames drawn")),
      positions_(
          metrics->Counter("shoal_positions_total", "Positions run through the slow transformer")),
      blocks_free_(Blocks(metrics, "free")),
      blocks_used_(Blocks(metrics, "used")),
      running_(metrics->Gauge("shoal_requests_running", "Turns that are being generated")),
      waiting_(metrics->Gauge("shoal_requests_waiting", "Turns that wait for room")) {}

void EngineMetrics::CountStep(const Engine::StepReport& report) {
  batch_size_.Observe(report.rows);
  schedule_seconds_.Observe(Seconds(report.schedule));
  (report.positions > report.rows ? prefill_step_seconds_ : decode_step_seconds_)
      .Observe(Seconds(report.run));
  emit_seconds_.Observe(Seconds(report.emit));
  frames_.Increment(report.frames);
  positions_.Increment(report.positions);
}

void EngineMetrics::SetLoad(const Engine& engine) {
  blocks_free_.Set(engine.blocks().free());
  blocks_used_.Set(engine.blocks().used());
  running_.Set(engine.running());
  waiting_.Set(engine.waiting());
}

}  // namespace shoal::engine
