// What one call did and how long it took: gathered by its session, told to the client in `done`, to
// the metrics and to the log. Owned by the session, on the front's loop.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_REPORT_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_REPORT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "services/preprocess/front/front_metrics.h"
#include "services/preprocess/front/playback_clock.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

class SessionReport {
 public:
  explicit SessionReport(FrontMetrics* metrics);
  ~SessionReport();

  void OnConfig(const std::string& request_id, int references);
  void OnText(int64_t bytes);
  void OnTurnBegin();
  // Codec audio of `seconds` for the client.
  void OnAudio(double seconds);
  void OnTurnEnd(const tts::v1::TurnResult& result);
  // Nothing to speak until more text comes.
  void OnIdle() { playback_.Pause(); }
  // The turn's speech was no speech of its text.
  void OnSuspectTurn() { ++suspect_turns_; }
  // The turn stood still because the client took no audio.
  void OnHeldUp() { playback_.Pause(); }

  bool any_text() const { return first_text_.has_value(); }
  bool any_turn() const { return done_.turns_size() > 0; }

  // For the client; samples are the caller's.
  tts::v1::Done Done() const;

  // The end of the call: updates the metrics and writes the log line. `stream` is the stream's name
  // in the stages, empty if there never was one; `started` says that the client was let in.
  void Close(const absl::Status& status, const std::string& stream, bool started);

 private:
  using Clock = std::chrono::steady_clock;
  static double Since(Clock::time_point begin);

  FrontMetrics* const metrics_;
  const Clock::time_point opened_ = Clock::now();
  std::optional<Clock::time_point> config_, first_text_, first_audio_, turn_begin_;
  std::optional<Clock::time_point> last_audio_;  // of this turn
  std::string request_id_;
  int references_ = 0;
  int64_t text_bytes_ = 0;
  double audio_seconds_ = 0;
  double busy_seconds_ = 0;  // with turns
  uint64_t frames_ = 0;
  int suspect_turns_ = 0;
  PlaybackClock playback_;
  tts::v1::Done done_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_SESSION_REPORT_H_
