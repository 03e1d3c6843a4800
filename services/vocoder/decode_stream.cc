#include "services/vocoder/decode_stream.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::vocoder {

DecodeStream::DecodeStream(const Limits& limits, const StreamOwner& owner, SlotPool::Slot slot,
                           const StreamStart& start)
    : limits_(limits),
      owner_(owner),
      slot_(std::move(slot)),
      whole_file_(start.whole_file),
      max_frames_per_chunk_(start.max_frames_per_chunk),
      frames_(limits.queued_frames, start.turn, start.frame),
      memory_(limits.num_codebooks, limits.replay_frames + limits.rollback_frames),
      turn_start_(start.position - start.frame),
      sent_turn_(start.turn),
      sent_next_(start.frame) {
  memory_.Start(start.position, start.codes);
  state_position_ = ReplayStart(start.position);
}

uint64_t DecodeStream::ReplayStart(uint64_t position) const {
  return position - std::min<uint64_t>(position, limits_.replay_frames);
}

bool DecodeStream::AddAhead(uint32_t attempt, FrameQueue::Arrival arrival) {
  size_t frames = arrival.frames.size();
  for (const Ahead& ahead : ahead_) frames += ahead.arrival.frames.size();
  if (frames > limits_.queued_frames || ahead_.size() >= limits_.queued_frames) return false;
  ahead_.push_back({attempt, std::move(arrival)});
  return true;
}

absl::Status DecodeStream::TakeAhead(Clock::time_point now) {
  std::vector<Ahead> later;
  for (Ahead& ahead : std::exchange(ahead_, {})) {
    if (ahead.attempt > owner_.attempt) later.push_back(std::move(ahead));
    if (ahead.attempt != owner_.attempt) continue;
    if (const auto added = frames_.Add(std::move(ahead.arrival), now); !added.ok()) {
      return added.status();
    }
  }
  ahead_ = std::move(later);
  return absl::OkStatus();
}

bool DecodeStream::Hear(const ListenerNews& news, Clock::time_point now) {
  const auto age = [](const ListenerNews& n) { return std::tuple(n.turn, n.frames, n.next_frame); };
  if (news_.has_value() && age(news) < age(*news_)) return false;
  if (news.turn < frames_.turn()) return false;
  news_ = news;
  // What was sent since is on its way to the listener.
  const uint32_t sent = SentOf(news.turn);
  const uint32_t since = sent - std::min(sent, news.next_frame);
  listener_.Set(news.buffered + since * limits_.frame, now);
  return true;
}

absl::StatusOr<bool> DecodeStream::Resume(uint32_t turn, uint32_t attempt, uint32_t cut,
                                          Clock::time_point now) {
  const uint32_t next = std::min(cut, SentOf(turn));
  const uint32_t taken = frames_.taken();
  const bool rolls_back = turn == frames_.turn() && next < taken;
  const uint64_t target = turn_start_ + next;
  if (rolls_back && ReplayStart(target) < memory_.begin()) {
    return absl::FailedPreconditionError(absl::StrCat("resume.cut: frame ", cut, " of turn ", turn,
                                                      " is ", position() - target,
                                                      " frames back, more than are remembered"));
  }
  if (absl::Status status = frames_.Resume(turn, cut, now); !status.ok()) return status;
  owner_.attempt = attempt;
  if (!rolls_back) {
    if (absl::Status status = TakeAhead(now); !status.ok()) return status;
    return false;
  }
  // What was taken out and not sent, because it is being decoded right now, is taken out again.
  const int unsent = static_cast<int>(std::min(cut, taken) - next);
  frames_.Return(memory_.Read(target, unsent), limits_.num_codebooks);
  memory_.Truncate(target);
  state_position_ = ReplayStart(target);
  if (turn == sent_turn_) sent_next_ = next;
  if (absl::Status status = TakeAhead(now); !status.ok()) return status;
  return true;
}

int DecodeStream::allowed() const {
  if (!news_.has_value() || news_->turn != frames_.turn()) return std::numeric_limits<int>::max();
  const uint32_t taken = frames_.taken();
  return static_cast<int>(std::min<uint32_t>(news_->frames - std::min(news_->frames, taken),
                                             std::numeric_limits<int>::max()));
}

int DecodeStream::ready() const { return std::min(frames_.ready(), allowed()); }

ChunkSchedule::Candidate DecodeStream::Candidate(Clock::time_point now) const {
  return {.ready = rebuilding() ? 0 : ready(),
          .more = !frames_.complete() && frames_.ready() < allowed(),
          .most = max_frames_per_chunk_,
          .whole_file = whole_file_,
          .begun = begun_,
          .buffered = listener_.At(now),
          .served = served_};
}

FrameQueue::Run DecodeStream::Take(int n) {
  FrameQueue::Run run = frames_.Take(n);
  turn_start_ = position() - run.first;
  for (const FrameCodes& frame : run.frames) memory_.Append(frame);
  state_position_ += n;
  return run;
}

void DecodeStream::Sent(const FrameQueue::Run& run, uint64_t served, Clock::time_point now) {
  begun_ |= !run.frames.empty();
  sent_turn_ = run.turn;
  sent_next_ = run.first + static_cast<uint32_t>(run.frames.size());
  served_ = served;
  listener_.Add(static_cast<double>(run.frames.size()) * limits_.frame, now);
}

DecodeStream::Piece DecodeStream::TakeReplay(int frames) {
  const auto left = static_cast<int>(position() - state_position_);
  const int n = std::min(frames, left);
  Piece piece = {.codes = memory_.Read(state_position_, n), .to_follow = left - n};
  state_position_ += n;
  return piece;
}

}  // namespace shoal::vocoder
