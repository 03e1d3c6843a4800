// How far a synthesis is, in a line: while it runs on a terminal, and at its end always. Used by
// one thread.
#ifndef SHOAL_CLIENT_PROGRESS_H_
#define SHOAL_CLIENT_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

namespace shoal::client {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // `live`: the output is a terminal, on which a line can be written over.
  Progress(std::FILE* out, bool live) : out_(out), live_(live) {}

  // The first text is on its way.
  void OnText(Clock::time_point now);
  void OnAudio(Clock::time_point now, double seconds);

  // Takes the live line away, so that others can print.
  void Clear();
  // A line that stays.
  void Note(const std::string& line);
  // The last line: the figures, then `details`, e.g. "seed 7 -> out.wav".
  void Finish(const std::string& details);

  // "3.48 s of audio in 0.61 s, RTF 0.175, first audio after 48 ms"; times are from the first text,
  // the RTF is the time to the last audio over the audio's length.
  std::string Figures() const;

 private:
  std::FILE* const out_;
  const bool live_;
  std::optional<Clock::time_point> text_, first_audio_, last_audio_, shown_;
  double audio_seconds_ = 0;
};

}  // namespace shoal::client

#endif  // SHOAL_CLIENT_PROGRESS_H_
