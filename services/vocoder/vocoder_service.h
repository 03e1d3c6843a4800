// VocoderService: the decode loop on the pipeline network. It takes Submit{decode}, AudioCredit,
// Resume and Cancel from fronts and Frames from engines, and sends Audio and events to each
// stream's front. A front that goes away takes its streams with it; an engine that goes away is the
// front's business.
//
// A Stage: the StageLoop's model thread owns the DecodeLoop. A step is choose -> decode -> receive
// -> emit, so that what was cancelled while it was decoded is not sent.
//
// Owned by main, which may call everything here from any one thread.
#ifndef SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_
#define SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_

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
#include "services/vocoder/audio_outlet.h"
#include "services/vocoder/decode_check.h"
#include "services/vocoder/decode_loop.h"
#include "services/vocoder/vocoder_metrics.h"

namespace shoal::vocoder {

class VocoderService final : private stage::Stage {
 public:
  struct Options {
    // self: all but stage, capacity and limits.replay_frames; no heartbeat
    transport::Channel::Options channel;
    DecodeLoop::Options loop;
    // Declared to peers: no step takes longer, or the model thread is stuck.
    absl::Duration step_bound = absl::Seconds(10);
  };

  // `decoder` and `metrics` outlive this.
  static absl::StatusOr<std::unique_ptr<VocoderService>> Start(Options options,
                                                               FrameDecoder* decoder,
                                                               service::Metrics* metrics);
  // Streams that are still open fail with UNAVAILABLE.
  ~VocoderService() override = default;
  VocoderService(const VocoderService&) = delete;
  VocoderService& operator=(const VocoderService&) = delete;

  // From now on new streams are refused with UNAVAILABLE, reason DRAINING.
  void Drain() { stage_loop_.Drain(); }
  // True once no stream is open; false when that takes longer than `limit`. REQUIRES: Drain().
  bool AwaitIdle(absl::Duration limit) { return stage_loop_.AwaitIdle(limit); }

  const transport::Channel& channel() const { return stage_loop_.channel(); }

 private:
  VocoderService(Options options, FrameDecoder* decoder, service::Metrics* metrics);

  void Connect(transport::Channel* channel) override { outlet_.Connect(channel); }
  void HandleMessage(uint64_t from, const transport::Message& message) override;
  void Refuse(uint64_t from, const pipeline::v1::Submit& submit, const absl::Status& why) override;
  void HandlePeerDown(uint64_t incarnation, absl::string_view why) override;
  absl::Duration Step() override;
  Load PublishLoad() override;
  void FailAll() override;

  void HandleSubmit(uint64_t from, const transport::Message& message);
  void HandleFrame(const transport::Message& message);
  void HandleCredit(uint64_t from, const pipeline::v1::AudioCredit& credit);
  void HandleResume(uint64_t from, const pipeline::v1::Resume& resume);
  void HandleCancel(uint64_t from, const pipeline::v1::Cancel& cancel);

  const Options options_;
  const DecoderSizes sizes_;
  VocoderMetrics metrics_;
  AudioOutlet outlet_;
  DecodeLoop loop_;
  stage::StageLoop stage_loop_;  // last: its threads use all of the above
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_
