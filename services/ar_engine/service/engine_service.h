// EngineService: the engine on the pipeline network. It takes Submit{generate}, AudioCredit and
// Cancel from fronts, sends every frame to the turn's vocoder the moment it is drawn, and events to
// the front. A front that goes away takes its turns with it, a vocoder that goes away fails those
// that feed it.
//
// A Stage: the StageLoop's model thread owns the Engine.
//
// Owned by main, which may call everything here from any one thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/service/metrics.h"
#include "common/stage/stage.h"
#include "common/stage/stage_loop.h"
#include "common/transport/channel.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/service/engine_metrics.h"
#include "services/ar_engine/service/generate_check.h"
#include "services/ar_engine/service/test_gate.h"
#include "services/ar_engine/service/turn_outlet.h"

namespace shoal::engine {

class EngineService final : private stage::Stage {
 public:
  struct Options {
    transport::Channel::Options channel;  // self: all but stage and capacity; no heartbeat
    Scheduler::Options scheduler;
    bool prefix_cache = true;
    VocabularySizes sizes;
    bool round_logits_to_bf16 = false;
    TestGate::Options test_gate;
    // Declared to peers: no step takes longer, or the model thread is stuck.
    absl::Duration step_bound = absl::Seconds(10);
  };

  // `model` and `metrics` outlive this.
  static absl::StatusOr<std::unique_ptr<EngineService>> Start(Options options, FrameModel* model,
                                                              service::Metrics* metrics);
  // Turns that still run fail with UNAVAILABLE.
  ~EngineService() override = default;
  EngineService(const EngineService&) = delete;
  EngineService& operator=(const EngineService&) = delete;

  // From now on new turns are refused with UNAVAILABLE, reason DRAINING.
  void Drain() { stage_loop_.Drain(); }
  // True once no turn runs or waits; false when that takes longer than `limit`. REQUIRES: Drain().
  bool AwaitIdle(absl::Duration limit) { return stage_loop_.AwaitIdle(limit); }

  const transport::Channel& channel() const { return stage_loop_.channel(); }

 private:
  EngineService(Options options, FrameModel* model, service::Metrics* metrics);

  void Connect(transport::Channel* channel) override { outlet_.Connect(channel); }
  void HandleMessage(uint64_t from, const transport::Message& message) override;
  void Refuse(uint64_t from, const pipeline::v1::Submit& submit, const absl::Status& why) override;
  void HandlePeerDown(uint64_t incarnation, absl::string_view why) override;
  absl::Duration Step() override;
  Load PublishLoad() override;
  void FailAll() override;

  void HandleSubmit(uint64_t from, const transport::Message& message);
  absl::Status Accept(uint64_t from, const transport::Message& message);
  void HandleCredit(uint64_t from, const pipeline::v1::AudioCredit& credit);
  void HandleCancel(uint64_t from, const pipeline::v1::Cancel& cancel);

  const Options options_;
  EngineMetrics metrics_;
  TestGate gate_;
  TurnOutlet outlet_;
  Engine engine_;
  stage::StageLoop stage_loop_;  // last: its threads use all of the above
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_ENGINE_SERVICE_H_
