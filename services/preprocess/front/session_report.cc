#include "services/preprocess/front/session_report.h"

#include "absl/status/status.h"
#include "common/service/log.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

const char* OutcomeOf(const absl::Status& status, bool started) {
  if (status.ok()) return "ok";
  if (status.code() == absl::StatusCode::kCancelled) return "cancelled";
  return started ? "failed" : "refused";
}

}  // namespace

SessionReport::SessionReport(FrontMetrics* metrics) : metrics_(metrics) {
  metrics_->requests_running.Increment();
}

SessionReport::~SessionReport() { metrics_->requests_running.Decrement(); }

double SessionReport::Since(Clock::time_point begin) { return Seconds(Clock::now() - begin); }

void SessionReport::OnConfig(const std::string& request_id, int references) {
  config_ = Clock::now();
  request_id_ = request_id;
  references_ = references;
}

void SessionReport::OnText(int64_t bytes) {
  text_bytes_ += bytes;
  if (!first_text_) first_text_ = Clock::now();
}

void SessionReport::OnTurnBegin() {
  turn_begin_ = Clock::now();
  last_audio_.reset();
}

void SessionReport::OnAudio(double seconds) {
  const Clock::time_point now = Clock::now();
  if (!first_audio_) {
    first_audio_ = now;
    metrics_->time_to_first_audio_seconds.Observe(Seconds(now - *first_text_));
  }
  if (last_audio_) metrics_->inter_chunk_seconds.Observe(Seconds(now - *last_audio_));
  last_audio_ = now;
  audio_seconds_ += seconds;
  metrics_->audio_seconds.Increment(seconds);
  const double dry = playback_.Add(Seconds(now - opened_), seconds);
  if (dry > 0) metrics_->audio_underrun_seconds.Increment(dry);
}

void SessionReport::OnTurnEnd(const tts::v1::TurnResult& result) {
  busy_seconds_ += Since(*turn_begin_);
  frames_ += result.frames();
  *done_.add_turns() = result;
}

tts::v1::Done SessionReport::Done() const {
  tts::v1::Done done = done_;
  if (first_audio_) done.set_seconds_to_first_audio(Seconds(*first_audio_ - *first_text_));
  if (config_) done.set_seconds_total(Since(*config_));
  return done;
}

void SessionReport::Close(const absl::Status& status, const std::string& stream, bool started) {
  const char* outcome = OutcomeOf(status, started);
  const std::string reason = ReasonOf(status);
  metrics_->CountStream(outcome, reason);
  metrics_->request_duration_seconds.Observe(Since(opened_));
  if (audio_seconds_ > 0) metrics_->audio_rtf.Observe(busy_seconds_ / audio_seconds_);
  if (status.ok() && playback_.underrun() == 0) metrics_->streams_continuous.Increment();

  service::LogLine line("request");
  line.Add("request_id", request_id_).Add("stream", stream).Add("outcome", outcome);
  if (!status.ok()) {
    line.Add("reason", reason).Add("error", status.message());
  }
  line.Add("references", references_).Add("text_bytes", text_bytes_);
  line.Add("turns", done_.turns_size()).Add("frames", frames_);
  line.Add("suspect_turns", suspect_turns_).Add("audio_seconds", audio_seconds_);
  if (first_audio_) line.Add("ttfa_seconds", Seconds(*first_audio_ - *first_text_));
  if (audio_seconds_ > 0) line.Add("rtf", busy_seconds_ / audio_seconds_);
  line.Add("underrun_seconds", playback_.underrun()).Add("total_seconds", Since(opened_));
  line.Write(status.ok() || status.code() == absl::StatusCode::kCancelled ? spdlog::level::info
                                                                          : spdlog::level::warn);
}

}  // namespace shoal::preprocess
