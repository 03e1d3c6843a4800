// ListenerBuffer: how long a stream's listener can go on with the audio that was made so far. Each
// frame drawn adds to it, the engine's clock takes away, and the front's news put it right.
//
// A value type of Sequence. What always holds: audio that comes too late begins to count when it is
// drawn, so a stall is not made up for by what follows.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_LISTENER_BUFFER_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_LISTENER_BUFFER_H_

#include <algorithm>
#include <chrono>

namespace shoal::engine {

class ListenerBuffer {
 public:
  using Clock = std::chrono::steady_clock;
  using TimePoint = Clock::time_point;

  ListenerBuffer(double frame_seconds, double buffered_seconds, TimePoint now)
      : frame_(Length(frame_seconds)), empty_at_(now + Length(buffered_seconds)) {}

  // Seconds until the listener has nothing left; below 0: since then, and before the first audio
  // since the request.
  double Left(TimePoint now) const {
    return std::chrono::duration<double>(empty_at_ - now).count();
  }
  void AddFrame(TimePoint now) { empty_at_ = std::max(empty_at_, now) + frame_; }
  // The listener has so much, and more frames have been drawn that are on their way.
  void Correct(double buffered_seconds, int frames_on_the_way, TimePoint now) {
    if (frames_on_the_way == 0 && buffered_seconds <= 0) {
      empty_at_ = std::min(empty_at_, now);  // overdue for as long as it is
    } else {
      empty_at_ = now + Length(buffered_seconds) + frames_on_the_way * frame_;
    }
  }

 private:
  static Clock::duration Length(double seconds) {
    constexpr double kMost = 1e6;  // more is as good as for ever
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::clamp(seconds, 0.0, kMost)));
  }

  Clock::duration frame_;
  TimePoint empty_at_;
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_LISTENER_BUFFER_H_
