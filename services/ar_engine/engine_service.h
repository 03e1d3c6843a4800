// EngineService: the engine on the pipeline network. It takes Submit{generate}, AudioCredit and
// Cancel from fronts, sends every frame to the turn's vocoder the moment it is drawn, and events to
// the front.
//
// Two threads: the Channel's I/O thread only moves messages into a bounded queue; the model thread
// owns the Engine and does everything else: receive -> schedule -> run -> emit. A front that goes
// away takes its turns with it, a vocoder that goes away fails those that feed it.
//
// Owned by main, which may call everything here from any one thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_ENGINE_SERVICE_H_
#define SHOAL_SERVICES_AR_ENGINE_ENGINE_SERVICE_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/service/bounded_queue.h"
#include "common/service/metrics.h"
#include "common/transport/channel.h"
#include "services/ar_engine/engine.h"
#include "services/ar_engine/engine_metrics.h"
#include "services/ar_engine/generate_check.h"
#include "services/ar_engine/test_gate.h"
#include "services/ar_engine/turn_outlet.h"

namespace shoal::engine {

class EngineService {
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
  ~EngineService();
  EngineService(const EngineService&) = delete;
  EngineService& operator=(const EngineService&) = delete;

  // From now on new turns are refused with UNAVAILABLE, reason DRAINING.
  void Drain();
  // True once no turn runs or waits; false when that takes longer than `limit`. REQUIRES: Drain().
  bool AwaitIdle(absl::Duration limit);

  const transport::Channel& channel() const { return *channel_; }

 private:
  struct Inbound {
    enum class Kind { kMessage, kOverflow, kMalformed, kPeerDown, kWake } kind = Kind::kWake;
    uint64_t from = 0;
    transport::Message message = {};  // kOverflow, kMalformed: a Submit without its tensors
    std::string why = "";
  };
  EngineService(Options options, FrameModel* model, service::Metrics* metrics);

  // On the I/O thread.
  void OnMessage(uint64_t from, transport::Message message);
  void OnMalformed(uint64_t from, const pipeline::v1::Envelope& envelope, const absl::Status& why);
  void Push(Inbound inbound);
  pipeline::v1::Heartbeat Heartbeat() const;

  // On the model thread.
  void Run();
  void Handle(Inbound inbound);
  void HandleMessage(uint64_t from, const transport::Message& message);
  void HandleSubmit(uint64_t from, const transport::Message& message);
  absl::Status Accept(uint64_t from, const transport::Message& message);
  void HandleCredit(uint64_t from, const pipeline::v1::AudioCredit& credit);
  void HandleCancel(uint64_t from, const pipeline::v1::Cancel& cancel);
  void HandlePeerDown(uint64_t incarnation, absl::string_view why);
  void PublishLoad();

  const Options options_;
  EngineMetrics metrics_;
  service::BoundedQueue<Inbound> inbound_;
  std::atomic<int> queued_submits_{0};

  // Owned by the model thread.
  TestGate gate_;
  TurnOutlet outlet_;
  Engine engine_;

  // What heartbeats say, written by the model thread.
  std::atomic<uint64_t> step_{0};
  std::atomic<int> running_{0}, waiting_{0};
  std::atomic<bool> busy_{false};
  std::atomic<bool> draining_{false};

  std::mutex idle_mutex_;
  std::condition_variable became_idle_;
  bool idle_ = true;
  uint64_t drains_seen_ = 0;  // kWake handled: everything received before Drain() is in the engine

  std::unique_ptr<transport::Channel> channel_;
  std::thread model_thread_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_ENGINE_SERVICE_H_
