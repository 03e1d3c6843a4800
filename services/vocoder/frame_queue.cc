#include "services/vocoder/frame_queue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::vocoder {

absl::StatusOr<int> FrameQueue::Add(Arrival arrival, Clock::time_point now) {
  const int count = static_cast<int>(arrival.frames.size());
  if (arrival.turn < turn_ || (arrival.turn == turn_ && ended_)) return count;
  if (arrival.turn > turn_) {
    if (absl::Status status = BeginTurn(arrival.turn); !status.ok()) return status;
  }
  const uint32_t end = arrival.first + static_cast<uint32_t>(count);
  if (arrival.last) {
    if (length_.value_or(end) != end || end < next_) {
      return absl::DataLossError(absl::StrCat("turn ", turn_, " ends at frame ", end, " and at ",
                                              length_.value_or(next_)));
    }
    length_ = end;
  }
  if (length_.has_value() && end > *length_) {
    return absl::DataLossError(
        absl::StrCat("turn ", turn_, " has ", *length_, " frames and one numbered ", end - 1));
  }
  int dropped = 0;
  for (int i = 0; i < count; ++i) {
    const uint32_t number = arrival.first + static_cast<uint32_t>(i);
    const bool fresh =
        number >= next_ && early_.try_emplace(number, std::move(arrival.frames[i])).second;
    if (!fresh) ++dropped;
    if (ready_.size() + early_.size() > capacity_) {
      return absl::InternalError(
          absl::StrCat("more than ", capacity_,
                       " frames wait to be decoded (--max-queued-frames): the engine went "
                       "on past the front's credit"));
    }
  }
  Join(now);
  return dropped;
}

absl::Status FrameQueue::Resume(uint32_t turn, uint32_t cut, Clock::time_point now) {
  if (turn > turn_ && cut == 0) return BeginTurn(turn);
  if (turn != turn_) {
    return absl::FailedPreconditionError(absl::StrCat("resume.turn: frame ", cut, " of turn ", turn,
                                                      ", but the stream is in turn ", turn_));
  }
  if (cut > length_.value_or(ended_ ? taken_ : cut)) {
    return absl::FailedPreconditionError(
        absl::StrCat("resume.cut: frame ", cut, " of turn ", turn, ", which has ended before it"));
  }
  ended_ = false;
  length_.reset();
  early_.erase(early_.lower_bound(cut), early_.end());
  if (cut < next_) {
    ready_.resize(cut > taken_ ? cut - taken_ : 0);
    next_ = cut;
    taken_ = std::min(taken_, cut);
  }
  gap_since_.reset();
  Join(now);
  return absl::OkStatus();
}

void FrameQueue::Return(absl::Span<const int32_t> codes, int num_codebooks) {
  for (auto end = codes.end(); end != codes.begin(); end -= num_codebooks) {
    ready_.emplace_front(end - num_codebooks, end);
    --taken_;
  }
}

absl::Status FrameQueue::BeginTurn(uint32_t turn) {
  const bool untouched = next_ == 0 && early_.empty() && !length_.has_value();
  if (!ended_ && !untouched) {
    return absl::DataLossError(
        absl::StrCat("turn ", turn, " begins, but turn ", turn_, " has not ended"));
  }
  turn_ = turn;
  taken_ = next_ = 0;
  length_.reset();
  ended_ = false;
  return absl::OkStatus();
}

void FrameQueue::Join(Clock::time_point now) {
  while (!early_.empty() && early_.begin()->first == next_) {
    ready_.push_back(std::move(early_.begin()->second));
    early_.erase(early_.begin());
    ++next_;
    gap_since_.reset();
  }
  const bool missing = !early_.empty() || (length_.has_value() && next_ < *length_);
  if (!missing) {
    gap_since_.reset();
  } else if (!gap_since_.has_value()) {
    gap_since_ = now;
  }
}

FrameQueue::Run FrameQueue::Take(int n) {
  Run run = {.turn = turn_, .first = taken_, .frames = {}, .last = false};
  for (int i = 0; i < n; ++i) {
    run.frames.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  taken_ += static_cast<uint32_t>(n);
  run.last = length_ == taken_;
  ended_ = run.last;
  if (ended_) length_.reset();
  return run;
}

}  // namespace shoal::vocoder
