// One call of one client, from its config to its last audio: checks what comes, has recordings
// encoded, splits text into turns, speaks them one after another, and writes the audio.
//
//   client ─▶ CallInput ─▶ Conversation ─▶ RoutedStream ─▶ SpeechOutput ─▶ Outbox ─▶ client
//
// Lives on the front's loop, all calls included. It ends exactly once, by ClientLink::Finish;
// afterwards it does nothing more, whatever it is told.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/preprocess/front/call_input.h"
#include "services/preprocess/front/client_link.h"
#include "services/preprocess/front/conversation.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/front_metrics.h"
#include "services/preprocess/front/front_options.h"
#include "services/preprocess/front/listener_clock.h"
#include "services/preprocess/front/outbox.h"
#include "services/preprocess/front/request_check.h"
#include "services/preprocess/front/sampling_defaults.h"
#include "services/preprocess/front/session_report.h"
#include "services/preprocess/front/speech_output.h"
#include "services/preprocess/front/stream_router.h"
#include "services/preprocess/front/voice_loader.h"
#include "services/preprocess/references/reference_cache.h"
#include "services/preprocess/references/worker_pool.h"
#include "services/preprocess/text/prompt.h"

namespace shoal::preprocess {

// The numbers of the checkpoint that the front needs.
struct ModelFacts {
  std::string name;
  uint32_t sample_rate_hz = 0;
  uint32_t frame_length = 0;
  uint32_t num_codebooks = 0;
  int64_t max_seq_len = 0;
  // Where a request leaves it open: every field but the seed. max_frames may be more than there is
  // room for.
  tts::v1::SamplingConfig sampling = DocumentedSampling();

  double frame_seconds() const { return static_cast<double>(frame_length) / sample_rate_hz; }
};

// What all sessions share; everything outlives them.
struct SessionContext {
  FrontOptions options;
  ModelFacts model;
  const PromptBuilder* builder = nullptr;
  FrontLoop* loop = nullptr;
  StreamRouter* router = nullptr;
  ReferenceCache* references = nullptr;
  WorkerPool* text_workers = nullptr;
  FrontMetrics* metrics = nullptr;
};

class Session final : public std::enable_shared_from_this<Session>, private RoutedStream::Listener {
 public:
  enum class Kind { kStreamed, kWholeFile };

  // `link` lives until Finish. `on_end` is called after that, once.
  Session(const SessionContext* context, Kind kind, ClientLink* link,
          std::function<void(Session*)> on_end);

  // Asks for the first message.
  void Start();

  void OnRequest(absl::StatusOr<tts::v1::StreamingSynthesizeRequest> request);
  void OnEndOfInput();
  void OnWritten();
  void OnClientGone();

  // Ends the call with this status, if it has not ended.
  void Fail(const absl::Status& status);
  // Ends the call before its next turn: the process is about to leave.
  void EndBetweenTurns();

 private:
  // RoutedStream::Listener
  void OnAudio(absl::Span<const float> pcm, absl::Span<const int32_t> codes) override;
  void OnTurnEnd(const TurnEnd& end) override;
  void OnStreamFailed(const absl::Status& status) override;
  TurnCredit CreditNow() override;

  absl::Status Configure(tts::v1::SynthesisConfig config);
  void Begin(std::vector<Voice> voices);

  void Pump();  // does what can be done now
  void PlanTurn(std::string text);
  void OnPlan(std::unique_ptr<Conversation> conversation, absl::StatusOr<Conversation::Plan> plan);
  void JudgeLength(const TurnEnd& end);
  void EndWell();
  void Finish(const absl::Status& status);

  const SessionContext* const context_;
  const Kind kind_;
  ClientLink* link_;  // null once finished
  std::function<void(Session*)> on_end_;

  SessionReport report_;
  Outbox outbox_;
  CallInput input_;
  FrontLoop::Timer session_limit_;

  // From the config on.
  std::optional<SessionConfig> config_;
  std::optional<SpeechOutput> output_;
  std::optional<ListenerClock> listener_;  // of a streamed call: it takes audio as it can
  std::optional<VoiceLoader> loading_;

  // From Begin on.
  bool begun_ = false;
  std::unique_ptr<Conversation> conversation_;  // null while a worker has it
  std::shared_ptr<RoutedStream> stream_;        // from the first turn on
  std::string stream_name_;
  struct Turn {
    std::string text;
    std::vector<int32_t> codes = {};  // (frames, num_codebooks)
  };
  std::optional<Turn> turn_;  // from its planning to its end
  uint32_t turn_number_ = 0;  // of turn_, or of the next one
  bool leaving_ = false;      // no turn is begun any more
  bool all_said_ = false;     // `done` is in the outbox
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_H_
