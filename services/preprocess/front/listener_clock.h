// How far one client is with its audio, and how much more of the running turn the front will take
// for it. From here the stages learn how urgent a stream is, and a client that does not read pauses
// its own stream and nobody else's: what the front will hold for it is bounded, so the frames it
// asks for are.
//
// Owned by one session, on the front's loop. Plain arithmetic; times are seconds of one clock that
// the caller reads. What always holds: TurnCredit::frames never falls within a turn, and asks for
// no more audio than Options::max_waiting_bytes beside what the client has taken, but for one frame
// when nothing waits, so that every turn goes on as soon as its client does.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_LISTENER_CLOCK_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_LISTENER_CLOCK_H_

#include <cstdint>

#include "services/preprocess/front/playback_clock.h"

namespace shoal::preprocess {

// What the stages are told of a listener during a turn; see AudioCredit in pipeline.proto.
struct TurnCredit {
  uint32_t frames = 0;  // of the turn, that the front will take; 0 = no limit
  // Audio that the client will hear although no further frame is made: what was written to it less
  // what it has played since, and what waits to be written.
  double buffered_seconds = 0;
  uint32_t next_frame = 0;     // frames of the turn before this one are part of that
  uint32_t useful_growth = 1;  // of `frames`, that is worth a message
};

class ListenerClock {
 public:
  struct Options {
    int64_t max_waiting_bytes = 0;  // in the client's encoding, as the next
    double bytes_per_second = 0;
    double frame_seconds = 0;
  };

  explicit ListenerClock(const Options& options);

  void BeginTurn();
  // Frames of the turn came and wait to be written.
  void OnFrames(uint32_t frames) { received_ += frames; }
  // The client has taken audio of so many bytes.
  void OnWritten(double now, int64_t bytes);

  // `waiting_bytes` of audio are not yet taken.
  TurnCredit Now(double now, int64_t waiting_bytes);

 private:
  const Options options_;
  const double bytes_per_frame_;
  PlaybackClock played_;
  uint32_t received_ = 0;  // frames of the turn
  uint32_t granted_ = 1;   // the last TurnCredit::frames of the turn
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_LISTENER_CLOCK_H_
