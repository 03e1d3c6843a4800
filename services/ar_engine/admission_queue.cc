#include "services/ar_engine/admission_queue.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

constexpr char kRetryPayload[] = "shoal.retry_after_seconds";
constexpr double kShortestRetry = 0.05;  // less is a busy loop of clients
constexpr double kTurnRate = 0.1;        // of the newest turn in what is typical

std::unique_ptr<Sequence> TakeFront(std::deque<std::unique_ptr<Sequence>>& queue) {
  std::unique_ptr<Sequence> front = std::move(queue.front());
  queue.pop_front();
  return front;
}

}  // namespace

absl::Status BusyError(absl::string_view why, double retry_after_seconds) {
  const double seconds = std::max(retry_after_seconds, kShortestRetry);
  absl::Status status =
      absl::ResourceExhaustedError(absl::StrCat(why, "; try again in ", seconds, " s"));
  status.SetPayload(kRetryPayload, absl::Cord(absl::StrCat(seconds)));
  return status;
}

double RetryAfterSeconds(const absl::Status& status) {
  double seconds = 0;
  const auto payload = status.GetPayload(kRetryPayload);
  if (!payload.has_value() || !absl::SimpleAtod(std::string(*payload), &seconds)) return 0;
  return seconds;
}

void AdmissionQueue::Push(std::unique_ptr<Sequence> sequence) {
  const bool plays = sequence->request().priority == Priority::kPlayback;
  (plays ? playback_ : whole_files_).push_back(std::move(sequence));
}

std::unique_ptr<Sequence> AdmissionQueue::Pop(bool playback, bool whole_files) {
  const bool has_playback = playback && !playback_.empty();
  const bool has_whole_file = whole_files && !whole_files_.empty();
  if (has_whole_file && (!has_playback || playback_in_a_row_ >= kWholeFileShare - 1)) {
    playback_in_a_row_ = 0;
    return TakeFront(whole_files_);
  }
  if (!has_playback) return nullptr;
  playback_in_a_row_ = whole_files_.empty() ? 0 : playback_in_a_row_ + 1;
  return TakeFront(playback_);
}

std::unique_ptr<Sequence> AdmissionQueue::Remove(const Sequence* sequence) {
  for (auto* queue : {&playback_, &whole_files_}) {
    const auto it = std::find_if(queue->begin(), queue->end(),
                                 [&](const auto& other) { return other.get() == sequence; });
    if (it == queue->end()) continue;
    std::unique_ptr<Sequence> removed = std::move(*it);
    queue->erase(it);
    return removed;
  }
  return nullptr;
}

void AdmissionQueue::List(std::vector<Sequence*>& sequences) const {
  for (const auto& sequence : playback_) sequences.push_back(sequence.get());
  for (const auto& sequence : whole_files_) sequences.push_back(sequence.get());
}

void AdmissionQueue::LearnTurn(double seconds) {
  turn_seconds_ =
      turn_seconds_ == 0 ? seconds : turn_seconds_ + kTurnRate * (seconds - turn_seconds_);
}

double AdmissionQueue::ExpectedWait(Priority priority, int slots, int taken, double age) const {
  const size_t ahead =
      playback_.size() + (priority == Priority::kWholeFile ? whole_files_.size() : 0);
  const int turns = taken + static_cast<int>(ahead) + 1 - slots;  // that have to end before
  // Turns that run longer than is typical, or before any has ended, say how long turns are.
  return std::max(turns, 0) * std::max(turn_seconds_, age) / slots;
}

int AdmissionQueue::PositionsAhead(Priority priority) const {
  int positions = 0;
  for (const auto& sequence : playback_) positions += sequence->length();
  if (priority == Priority::kPlayback) return positions;
  for (const auto& sequence : whole_files_) positions += sequence->length();
  return positions;
}

}  // namespace shoal::engine
