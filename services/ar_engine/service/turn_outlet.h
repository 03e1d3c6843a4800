// TurnOutlet: where what the engine makes of turns leaves the process: frames to each turn's
// vocoder, events to its front, a log line and counters at its end.
//
// Owned by EngineService, used by the model thread alone. Holds a route for every sequence of the
// engine, from Open until the sequence ends.
#ifndef SHOAL_SERVICES_AR_ENGINE_SERVICE_TURN_OUTLET_H_
#define SHOAL_SERVICES_AR_ENGINE_SERVICE_TURN_OUTLET_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/transport/channel.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/service/engine_metrics.h"

namespace shoal::engine {

class TurnOutlet final : public EngineSink {
 public:
  // `metrics` outlives this.
  explicit TurnOutlet(EngineMetrics* metrics) : metrics_(metrics) {}
  // Before the first call of any other method. `channel` outlives those calls.
  void Connect(transport::Channel* channel) { channel_ = channel; }

  // The engine has accepted this turn; says so to its front.
  void Open(const Sequence& sequence, uint64_t vocoder, const std::string& traceparent);
  uint64_t VocoderOf(const Sequence& sequence) const {
    return routes_.at(sequence.stream()).vocoder;
  }
  // The engine has not accepted it.
  void Refuse(uint64_t front, const pipeline::v1::Submit& submit, const absl::Status& why);

  void OnStarted(const Sequence& sequence) override;
  absl::Status OnFrame(const Sequence& sequence, uint32_t frame,
                       absl::Span<const int32_t> codes) override;
  void OnFinished(const Sequence& sequence, FinishReason reason) override;
  void OnFailed(const Sequence& sequence, const absl::Status& why) override;

 private:
  struct Route {
    uint64_t vocoder = 0;
    std::string traceparent;
    uint64_t frames_sent = 0;  // messages to the vocoder
    uint64_t events_sent = 0;  // messages to the front
  };

  absl::Status SendLast(const Sequence& sequence);
  void SendEvent(const Sequence& sequence, transport::Message message);
  absl::Status SendFrame(const Sequence& sequence, transport::Message message);
  void Close(const Sequence& sequence, absl::string_view outcome, prometheus::Counter& counter,
             absl::string_view why = "");

  EngineMetrics* const metrics_;
  transport::Channel* channel_ = nullptr;
  std::map<StreamKey, Route> routes_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_SERVICE_TURN_OUTLET_H_
