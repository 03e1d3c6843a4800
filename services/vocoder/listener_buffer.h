// ListenerBuffer: how much audio of a stream its listener has and has not heard yet, as far as this
// process can tell. It shrinks as time passes, grows by what is sent, and is put right by the
// front's news; before the first of them it starts at nothing, as a player that plays at once
// would.
//
// A plain value of one stream; one thread.
#ifndef SHOAL_SERVICES_VOCODER_LISTENER_BUFFER_H_
#define SHOAL_SERVICES_VOCODER_LISTENER_BUFFER_H_

#include <algorithm>
#include <chrono>

namespace shoal::vocoder {

class ListenerBuffer {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  // What is left at `now`, never below zero. REQUIRES: time does not run backwards.
  Seconds At(Clock::time_point now) const {
    return std::max(Seconds(0), level_ - Seconds(now - as_of_));
  }
  void Add(Seconds audio, Clock::time_point now) { Set(At(now) + audio, now); }
  void Set(Seconds level, Clock::time_point now) {
    level_ = level;
    as_of_ = now;
  }

 private:
  Seconds level_{0};
  Clock::time_point as_of_{};
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_LISTENER_BUFFER_H_
