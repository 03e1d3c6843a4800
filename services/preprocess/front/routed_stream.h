// One session's way through the stages: a slot in a vocoder for as long as the session lives, and
// an engine for each turn. Orders what comes back and closes a turn only when the engine has
// finished and all of the vocoder's audio is there, as many frames as the engine counted.
//
// Made by StreamRouter::Open, held by the session, on the front's loop. It tells its listener about
// everything, until Close; after OnStreamFailed nothing follows and the stages are free.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_ROUTED_STREAM_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_ROUTED_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "common/transport/message.h"
#include "services/preprocess/front/front_loop.h"
#include "services/preprocess/front/listener_clock.h"
#include "services/preprocess/front/stage_messages.h"
#include "services/preprocess/front/turn_audio.h"

namespace shoal::preprocess {

class StreamRouter;

struct TurnEnd {
  pipeline::v1::FinishReason reason = pipeline::v1::STOP;
  uint32_t frames = 0;
  uint32_t prompt_tokens = 0;
};

class RoutedStream : public std::enable_shared_from_this<RoutedStream> {
 public:
  // Called on the loop. Each may close the stream.
  class Listener {
   public:
    virtual ~Listener() = default;
    // The next frames of the turn: (frames * frame_length) samples and (frames, num_codebooks)
    // codes.
    virtual void OnAudio(absl::Span<const float> pcm, absl::Span<const int32_t> codes) = 0;
    virtual void OnTurnEnd(const TurnEnd& end) = 0;
    virtual void OnStreamFailed(const absl::Status& status) = 0;
    // Asked whenever the stages are about to be told.
    virtual TurnCredit CreditNow() = 0;
  };

  ~RoutedStream();

  // Generates and speaks the next turn. The call's first audio must come by `first_audio_by`, or is
  // refused beforehand. REQUIRES: no turn is running.
  void Speak(TurnRequest request, absl::Time first_audio_by);

  // The client has taken some audio: the stages hear of it when it makes a difference to them.
  void OnListenerMoved();

  // Frees everything in the stages. The listener hears nothing more.
  void Close();

  // The stages have made all that they were asked for: the next move is the client's.
  bool paused() const;

  const std::string& name() const { return name_; }  // 32 hexadecimal digits, for logs

 private:
  friend class StreamRouter;
  enum class DecodeState { kNone, kAsked, kReady };
  struct Turn {
    TurnRequest request;  // its prompt is kept until the engine has accepted it
    absl::Time first_audio_by;
    TurnCredit told;      // to the engine, at least
    uint64_t engine = 0;  // incarnation; 0 = none yet
    bool accepted = false;
    std::set<uint64_t> refused;  // engines that were too busy
    TurnAudio audio;
    std::optional<pipeline::v1::Event::Finished> finished;
  };

  RoutedStream(StreamRouter* router, Listener* listener, pipeline::v1::Priority priority,
               const pipeline::v1::StreamId& id);

  // From the router.
  absl::Status OpenDecoder();
  void OnMessage(uint64_t from, transport::Message message);
  void OnPeerDown(uint64_t incarnation, absl::string_view why);

  void OnAudio(transport::Message message);
  void OnVocoderEvent(const pipeline::v1::Event& event);
  void OnEngineEvent(const pipeline::v1::Event& event);
  void OnRefused(pipeline::v1::Stage stage, const pipeline::v1::Event::Failed& failed);

  absl::Status SubmitTurn();
  void SubmitOrWait();
  void SendCancel(uint64_t incarnation, uint32_t turn);
  void SendCredit(const TurnCredit& credit);
  void TellCreditAgain();
  void ReleaseEngine();
  void CloseTurnIfComplete();
  void WatchSilence();
  void WatchGap();
  void Fail(absl::Status status);
  TurnName turn_name() const { return {id_, turn_number_}; }
  bool IsCurrent(uint32_t turn, uint32_t attempt) const;
  void CountUnexpected();

  StreamRouter* const router_;
  Listener* listener_;  // null once closed
  const pipeline::v1::Priority priority_;
  const pipeline::v1::StreamId id_;
  const std::string name_;

  uint64_t vocoder_ = 0;  // incarnation; 0 = none
  DecodeState decode_ = DecodeState::kNone;
  std::set<uint64_t> refused_vocoders_;

  uint32_t turn_number_ = 0;  // of turn_, or of the next one
  std::optional<Turn> turn_;
  bool audio_out_ = false;  // the listener has got some

  FrontLoop::Timer silence_, gap_, retry_, credit_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_ROUTED_STREAM_H_
