#include "services/preprocess/front/listener_clock.h"

#include <algorithm>
#include <cmath>

namespace shoal::preprocess {
namespace {

// A message for every so much of what the front would hold: often enough that a stream which was
// paused goes on well before its client has taken everything, seldom enough to cost nothing.
constexpr int64_t kSteps = 8;
// What is on its way through the stages takes memory as well: a vocoder lets so many frames wait,
// and as many again (--max-queued-frames), before it takes the engine for broken.
constexpr int64_t kMostFramesAhead = 2048;

}  // namespace

ListenerClock::ListenerClock(const Options& options)
    : options_(options), bytes_per_frame_(options.bytes_per_second * options.frame_seconds) {}

void ListenerClock::BeginTurn() {
  received_ = 0;
  granted_ = 1;
}

void ListenerClock::OnWritten(double now, int64_t bytes) {
  if (bytes > 0) played_.Add(now, static_cast<double>(bytes) / options_.bytes_per_second);
}

TurnCredit ListenerClock::Now(double now, int64_t waiting_bytes) {
  const auto window = static_cast<int64_t>(options_.max_waiting_bytes / bytes_per_frame_);
  const auto waiting = static_cast<int64_t>(std::ceil(waiting_bytes / bytes_per_frame_));
  const int64_t least = waiting_bytes > 0 ? 0 : 1;
  const int64_t room = std::clamp(window - waiting, least, kMostFramesAhead);
  granted_ = static_cast<uint32_t>(std::max<int64_t>(granted_, received_ + room));
  return {.frames = granted_,
          .buffered_seconds = played_.Buffered(now) +
                              static_cast<double>(waiting_bytes) / options_.bytes_per_second,
          .next_frame = received_,
          .useful_growth = static_cast<uint32_t>(
              std::clamp<int64_t>(window / kSteps, 1, kMostFramesAhead / kSteps))};
}

}  // namespace shoal::preprocess
