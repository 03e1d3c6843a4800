// Player: a client's loudspeaker. It plays at real time from the first audio it gets; whenever it
// has nothing left before its last audio came, it is dry, and that time is underrun.
//
// Values, in seconds; the times passed must not go back.
#ifndef SHOAL_LOADTEST_SIMULATION_PLAYER_H_
#define SHOAL_LOADTEST_SIMULATION_PLAYER_H_

#include <algorithm>

namespace shoal::simulation {

class Player {
 public:
  // `audio` seconds of audio are there. REQUIRES: audio > 0.
  void Receive(double now, double audio) {
    if (!started()) {
      first_audio_ = dry_at_ = now;
    } else if (now > dry_at_) {
      underrun_ += now - dry_at_;
      longest_gap_ = std::max(longest_gap_, now - dry_at_);
      ++gaps_;
      dry_at_ = now;
    }
    dry_at_ += audio;
    received_ += audio;
  }

  bool started() const { return received_ > 0; }
  double first_audio() const { return first_audio_; }  // REQUIRES: started()
  double received() const { return received_; }
  double underrun() const { return underrun_; }
  double longest_gap() const { return longest_gap_; }
  int gaps() const { return gaps_; }

  // What is left to play.
  double Buffered(double now) const { return started() ? std::max(dry_at_ - now, 0.0) : 0; }
  // The same as a server computes it, which does not hear of gaps: audio sent less the time since
  // the first of it.
  double AssumedBuffer(double now) const {
    return started() ? std::max(received_ - (now - first_audio_), 0.0) : 0;
  }

 private:
  double first_audio_ = 0, dry_at_ = 0, received_ = 0;
  double underrun_ = 0, longest_gap_ = 0;
  int gaps_ = 0;
};

}  // namespace shoal::simulation

#endif  // SHOAL_LOADTEST_SIMULATION_PLAYER_H_
