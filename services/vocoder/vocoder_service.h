// VocoderService: the decode loop on the pipeline network. It takes Submit{decode}, AudioCredit,
// Resume and Cancel from fronts and Frames from engines, and sends Audio and events to each
// stream's front.
//
// Two threads: the Channel's I/O thread only moves messages into a bounded queue; the model thread
// owns the DecodeLoop and does everything else: receive -> choose -> decode -> receive -> emit, so
// that what was cancelled while it was decoded is not sent. A front that goes away takes its
// streams with it; an engine that goes away is the front's business.
//
// Owned by main, which may call everything here from any one thread.
#ifndef SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_
#define SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_

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
#include "services/vocoder/audio_outlet.h"
#include "services/vocoder/decode_check.h"
#include "services/vocoder/decode_loop.h"
#include "services/vocoder/vocoder_metrics.h"

namespace shoal::vocoder {

class VocoderService {
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
  ~VocoderService();
  VocoderService(const VocoderService&) = delete;
  VocoderService& operator=(const VocoderService&) = delete;

  // From now on new streams are refused with UNAVAILABLE, reason DRAINING.
  void Drain();
  // True once no stream is open; false when that takes longer than `limit`. REQUIRES: Drain().
  bool AwaitIdle(absl::Duration limit);

  const transport::Channel& channel() const { return *channel_; }

 private:
  struct Inbound {
    enum class Kind { kMessage, kMalformed, kPeerDown, kDrain } kind = Kind::kMessage;
    uint64_t from = 0;
    transport::Message message = {};  // kMalformed: a Submit without what it asks for
    std::string why = "";
  };
  VocoderService(Options options, FrameDecoder* decoder, service::Metrics* metrics);

  // On the I/O thread.
  void OnMalformed(uint64_t from, const pipeline::v1::Envelope& envelope, const absl::Status& why);
  void Push(Inbound inbound);
  pipeline::v1::Heartbeat Heartbeat() const;

  // On the model thread.
  void Run();
  // Waits for messages at most that long, and handles all there are.
  void Receive(absl::Duration wait);
  void Handle(const Inbound& inbound);
  void HandleMessage(uint64_t from, const transport::Message& message);
  void HandleSubmit(uint64_t from, const transport::Message& message);
  void HandleMalformed(uint64_t from, const pipeline::v1::Submit& submit, absl::string_view why);
  void HandleFrame(const transport::Message& message);
  void HandleCredit(uint64_t from, const pipeline::v1::AudioCredit& credit);
  void HandleResume(uint64_t from, const pipeline::v1::Resume& resume);
  void HandleCancel(uint64_t from, const pipeline::v1::Cancel& cancel);
  void HandlePeerDown(uint64_t incarnation, absl::string_view why);
  void PublishLoad();

  const Options options_;
  const DecoderSizes sizes_;
  VocoderMetrics metrics_;
  service::BoundedQueue<Inbound> inbound_;

  // Owned by the model thread.
  AudioOutlet outlet_;
  DecodeLoop loop_;
  bool drain_seen_ = false;  // everything received before Drain() is in the loop

  // What heartbeats say, written by the model thread.
  std::atomic<uint64_t> step_{0};
  std::atomic<int> open_{0};
  std::atomic<bool> busy_{false};
  std::atomic<bool> draining_{false};

  std::mutex drained_mutex_;
  std::condition_variable drained_changed_;
  bool drained_ = false;  // the drain was seen, and no stream is open

  std::unique_ptr<transport::Channel> channel_;
  std::thread model_thread_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_VOCODER_SERVICE_H_
