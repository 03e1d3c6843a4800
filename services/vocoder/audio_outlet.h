// AudioOutlet: where what the decode loop makes of streams leaves the process: audio and events to
// each stream's front, a log line and counters at its end.
//
// Owned by VocoderService, used by the model thread alone.
#ifndef SHOAL_SERVICES_VOCODER_AUDIO_OUTLET_H_
#define SHOAL_SERVICES_VOCODER_AUDIO_OUTLET_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/transport/channel.h"
#include "services/vocoder/decode_loop.h"
#include "services/vocoder/vocoder_metrics.h"

namespace shoal::vocoder {

class AudioOutlet final : public DecodeSink {
 public:
  // `metrics` outlives this.
  explicit AudioOutlet(VocoderMetrics* metrics) : metrics_(metrics) {}
  // Before the first call of any other method. `channel` outlives those calls.
  void Connect(transport::Channel* channel) { channel_ = channel; }

  // The loop has opened this stream; says so to its front. What a stream of that name, which it
  // replaces, had sent stays counted: numbers of messages go on.
  void Accept(const StreamKey& stream, const StreamOwner& owner, uint32_t turn,
              const std::string& traceparent);
  // The loop has not.
  void Refuse(const StreamKey& stream, const StreamOwner& owner, const absl::Status& why);
  // The front closed it, or is gone.
  void Forget(const StreamKey& stream);

  absl::Status OnAudio(const StreamKey& stream, const StreamOwner& owner,
                       const DecodedRun& decoded) override;
  void OnFailed(const StreamKey& stream, const StreamOwner& owner,
                const absl::Status& why) override;

 private:
  struct Sent {
    uint64_t messages = 0;  // their numbers
    uint64_t samples = 0;
    std::string traceparent;
  };

  void SendFailed(const StreamKey& stream, const StreamOwner& owner, const absl::Status& why);
  void Log(const StreamKey& stream, absl::string_view outcome, absl::string_view why = "") const;

  VocoderMetrics* const metrics_;
  transport::Channel* channel_ = nullptr;
  std::map<StreamKey, Sent> sent_;  // of every open stream
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_AUDIO_OUTLET_H_
