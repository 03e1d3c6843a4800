#include "services/ar_engine/service/engine_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
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
      blocks_cached_(Blocks(metrics, "cached")),
      cache_lookups_{metrics->Counter("shoal_prefix_cache_lookups_total",
                                      "Prompts that were looked up in the prefix cache")},
      cache_query_tokens_{
          metrics->Counter("shoal_prefix_cache_query_tokens_total", "Positions of those prompts")},
      cache_hit_tokens_{metrics->Counter("shoal_prefix_cache_hit_tokens_total",
                                         "Of those, positions whose KV was there")},
      cache_inserted_blocks_{metrics->Counter("shoal_prefix_cache_inserted_blocks_total",
                                              "KV blocks that became known to the prefix cache")},
      cache_evicted_blocks_{
          metrics->Counter("shoal_prefix_cache_evicted_blocks_total",
                           "KV blocks that the prefix cache forgot to make room")},
      preemptions_{metrics->Counter("shoal_preemptions_total",
                                    "Turns whose KV blocks were taken for more urgent ones")},
      running_(metrics->Gauge("shoal_requests_running", "Turns that are being generated")),
      waiting_(metrics->Gauge("shoal_requests_waiting", "Turns that wait for room")),
      paused_(metrics->Gauge("shoal_requests_paused",
                             "Turns that stand still because their clients take no audio")),
      buffered_seconds_(
          metrics->Gauge("shoal_listener_buffer_seconds",
                         "Audio that listeners of running turns have left, added up")),
      least_buffered_seconds_(
          metrics->Gauge("shoal_listener_buffer_least_seconds",
                         "The same, of the listener who has least; 0 when none listens")) {}

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
  const PrefixCache& cache = engine.prefix_cache();
  blocks_free_.Set(engine.blocks().free());
  // Blocks that turns and the cache share are the turns'.
  blocks_used_.Set(engine.blocks().used() - cache.evictable());
  blocks_cached_.Set(cache.evictable());
  cache_lookups_.Set(cache.stats().lookups);
  cache_query_tokens_.Set(cache.stats().lookup_positions);
  cache_hit_tokens_.Set(cache.stats().hit_positions);
  cache_inserted_blocks_.Set(cache.stats().inserted);
  cache_evicted_blocks_.Set(cache.stats().evicted);
  preemptions_.Set(engine.preemptions());
  running_.Set(engine.running());
  waiting_.Set(engine.waiting());
  SetListeners(engine);
}

void EngineMetrics::SetListeners(const Engine& engine) {
  const Engine::TimePoint now = Engine::Clock::now();
  int paused = 0;
  double sum = 0, least = std::numeric_limits<double>::infinity();
  for (const Sequence* sequence : engine.scheduler().sequences()) {
    if (sequence->paused()) {
      ++paused;
    } else if (sequence->request().priority == Priority::kPlayback && sequence->frames() > 0) {
      const double left = std::max(0.0, sequence->buffered_seconds(now));
      sum += left;
      least = std::min(least, left);
    }
  }
  paused_.Set(paused);
  buffered_seconds_.Set(sum);
  least_buffered_seconds_.Set(std::isinf(least) ? 0 : least);
}

}  // namespace shoal::engine
