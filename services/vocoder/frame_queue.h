// Puts the frames of one stream in order. Frames are named by their turn and number; they may come
// twice or early, and leave in order exactly once. Turns follow each other: the next begins when
// the last has left whole.
//
// Owned by one stream of the decode loop; one thread. Holds at most `capacity` frames.
#ifndef SHOAL_SERVICES_VOCODER_FRAME_QUEUE_H_
#define SHOAL_SERVICES_VOCODER_FRAME_QUEUE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::vocoder {

using FrameCodes = std::vector<int32_t>;  // (num_codebooks)

class FrameQueue {
 public:
  using Clock = std::chrono::steady_clock;

  // What arrived in one message: frames [first, first + frames.size()) of a turn.
  struct Arrival {
    uint32_t turn = 0;
    uint32_t first = 0;
    std::vector<FrameCodes> frames = {};
    bool last = false;  // the turn has first + frames.size() frames
  };

  // Frames that may leave together: of one turn, in order.
  struct Run {
    uint32_t turn = 0;
    uint32_t first = 0;
    std::vector<FrameCodes> frames = {};
    bool last = false;  // the turn ends with them; then there may be none
  };

  // The first frame to leave is `first` of `turn`, or the first of a later turn.
  explicit FrameQueue(size_t capacity, uint32_t turn = 0, uint32_t first = 0)
      : capacity_(capacity), turn_(turn), taken_(first), next_(first) {}

  // Returns how many of its frames were there before or belong to a turn that is over: they are
  // dropped. INTERNAL when too many would wait, DATA_LOSS when the turn's messages contradict each
  // other or a turn begins before the one before it has ended. After an error the queue is of no
  // further use.
  absl::StatusOr<int> Add(Arrival arrival, Clock::time_point now);

  // A new attempt at `turn` brings its frames from `cut` on: what is here of those is dropped,
  // those before it stay. When some of them have left already, the next to leave is `cut`.
  // FAILED_PRECONDITION when the queue is in another turn, or the turn is known to end before
  // `cut`.
  absl::Status Resume(uint32_t turn, uint32_t cut, Clock::time_point now);

  // Puts the last frames that have left back to the front. codes: (n, num_codebooks), n <= taken().
  void Return(absl::Span<const int32_t> codes, int num_codebooks);

  // Frames that can leave now.
  int ready() const { return static_cast<int>(ready_.size()); }
  // Frames of this turn that have left.
  uint32_t taken() const { return taken_; }
  // All of the turn that has not left is ready.
  bool complete() const { return ended_ || length_ == next_; }
  // The turn's end is all that is left of it.
  bool at_end() const { return length_ == next_ && ready_.empty(); }

  // Takes n frames, and the turn's end if it follows. REQUIRES: n <= ready(), n > 0 or at_end().
  Run Take(int n);

  // Since when a frame has been missing while later ones are here.
  std::optional<Clock::time_point> gap_since() const { return gap_since_; }
  uint32_t turn() const { return turn_; }
  uint32_t missing_frame() const { return next_; }

 private:
  absl::Status BeginTurn(uint32_t turn);
  void Join(Clock::time_point now);

  const size_t capacity_;
  uint32_t turn_;
  uint32_t taken_;
  uint32_t next_;                         // first frame that is neither ready nor taken
  std::optional<uint32_t> length_;        // frames of this turn, once known
  std::deque<FrameCodes> ready_;          // [taken_, next_)
  std::map<uint32_t, FrameCodes> early_;  // beyond next_, by number
  std::optional<Clock::time_point> gap_since_;
  bool ended_ = false;  // the turn's end has left
};

}  // namespace shoal::vocoder

#endif  // SHOAL_SERVICES_VOCODER_FRAME_QUEUE_H_
