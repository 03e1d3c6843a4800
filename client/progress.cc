#include "client/progress.h"

#include "absl/strings/str_format.h"

namespace shoal::client {
namespace {

double Seconds(Progress::Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Goes to the line's start and clears it.
constexpr char kRewind[] = "\r\x1b[K";

}  // namespace

void Progress::OnText(Clock::time_point now) {
  if (!text_) text_ = now;
}

void Progress::OnAudio(Clock::time_point now, double seconds) {
  if (!first_audio_) first_audio_ = now;
  last_audio_ = now;
  audio_seconds_ += seconds;
  if (!live_) return;
  if (shown_ && now - *shown_ < std::chrono::milliseconds(100)) return;
  shown_ = now;
  std::fprintf(out_, "%s%s", kRewind, Figures().c_str());
  std::fflush(out_);
}

std::string Progress::Figures() const {
  std::string figures = absl::StrFormat("%.2f s of audio", audio_seconds_);
  if (!text_ || !first_audio_ || audio_seconds_ <= 0) return figures;
  const double seconds = Seconds(*last_audio_ - *text_);
  absl::StrAppendFormat(&figures, " in %.2f s, RTF %.3f, first audio after %.0f ms", seconds,
                        seconds / audio_seconds_, 1e3 * Seconds(*first_audio_ - *text_));
  return figures;
}

void Progress::Clear() {
  if (shown_) std::fputs(kRewind, out_);
  shown_.reset();
}

void Progress::Note(const std::string& line) {
  Clear();
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

void Progress::Finish(const std::string& details) { Note(Figures() + ", " + details); }

}  // namespace shoal::client
