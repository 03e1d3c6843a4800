// What the engine counts and measures. Owned beside the Metrics it registers with; updated by the
// model thread, read by scrapes.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_METRICS_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_METRICS_H_

#include <cstdint>

#include "common/service/metrics.h"
#include "services/ar_engine/policy/engine.h"

namespace shoal::engine {

class EngineMetrics {
 public:
  explicit EngineMetrics(service::Metrics* metrics);

  // After every step that ran.
  void CountStep(const Engine::StepReport& report);
  // After everything that changes them.
  void SetLoad(const Engine& engine);

  // Turns by how they ended; "refused" ones never began.
  prometheus::Counter& stopped;
  prometheus::Counter& at_frame_limit;
  prometheus::Counter& cancelled;
  prometheus::Counter& runaway;
  prometheus::Counter& failed;
  prometheus::Counter& refused;

  prometheus::Counter& unexpected_messages;
  prometheus::Histogram& queue_seconds;
  prometheus::Histogram& prefill_seconds;

 private:
  prometheus::Histogram& batch_size_;
  prometheus::Histogram& schedule_seconds_;
  prometheus::Histogram& prefill_step_seconds_;
  prometheus::Histogram& decode_step_seconds_;
  prometheus::Histogram& emit_seconds_;
  prometheus::Counter& frames_;
  prometheus::Counter& positions_;
  // A counter that follows a total which something else keeps.
  struct Total {
    void Set(uint64_t now) {
      counter.Increment(static_cast<double>(now - last));
      last = now;
    }
    prometheus::Counter& counter;
    uint64_t last = 0;
  };
  void SetListeners(const Engine& engine);

  prometheus::Gauge& blocks_free_;
  prometheus::Gauge& blocks_used_;
  prometheus::Gauge& blocks_cached_;
  Total cache_lookups_;
  Total cache_query_tokens_;
  Total cache_hit_tokens_;
  Total cache_inserted_blocks_;
  Total cache_evicted_blocks_;
  Total preemptions_;
  prometheus::Gauge& running_;
  prometheus::Gauge& waiting_;
  prometheus::Gauge& paused_;
  prometheus::Gauge& buffered_seconds_;
  prometheus::Gauge& least_buffered_seconds_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_METRICS_H_
