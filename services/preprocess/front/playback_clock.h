// When would a player that started with the first audio have played all of it, and would it have
// run dry before? One per call; plain arithmetic on times in seconds that the caller reads from one
// clock.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_PLAYBACK_CLOCK_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_PLAYBACK_CLOCK_H_

#include <algorithm>
#include <limits>

namespace shoal::preprocess {

class PlaybackClock {
 public:
  // Audio of `seconds` became available at `now`. Returns for how long the player had none before.
  double Add(double now, double seconds) {
    const double dry = playing_ ? std::max(0.0, now - played_out_) : 0.0;
    played_out_ = std::max(played_out_, now) + seconds;
    playing_ = true;
    underrun_ += dry;
    return dry;
  }

  // There is nothing to speak, or nobody takes it: the silence that follows is nobody's fault.
  void Pause() { playing_ = false; }

  // Seconds of audio that are still to be played.
  double Buffered(double now) const { return std::max(0.0, played_out_ - now); }

  double underrun() const { return underrun_; }

 private:
  bool playing_ = false;
  double played_out_ = -std::numeric_limits<double>::infinity();  // when all will be played
  double underrun_ = 0;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_PLAYBACK_CLOCK_H_
