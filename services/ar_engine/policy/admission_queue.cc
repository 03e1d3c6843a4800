#include "services/ar_engine/policy/admission_queue.h"

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

AdmissionQueue::Line AdmissionQueue::LineOf(const Sequence& sequence) const {
  if (sequence.request().priority == Priority::kWholeFile) return Line::kWholeFile;
  const bool continues = sequence.turn() > 0 || sequence.frames() > 0;
  return continues && continuing_first_ ? Line::kContinuing : Line::kNewcomer;
}

void AdmissionQueue::Push(std::unique_ptr<Sequence> sequence) {
  const Line line = LineOf(*sequence);
  lines_[static_cast<size_t>(line)].push_back(std::move(sequence));
}

std::unique_ptr<Sequence> AdmissionQueue::Pop(bool playback, bool whole_files) {
  const bool continuing = playback && !of(Line::kContinuing).empty();
  const bool newcomer = playback && !of(Line::kNewcomer).empty();
  const bool whole_file = whole_files && !of(Line::kWholeFile).empty();
  if (whole_file && ((!continuing && !newcomer) || before_whole_files_ >= kWholeFileShare - 1)) {
    before_whole_files_ = 0;
    return TakeFirst(Line::kWholeFile);
  }
  if (!continuing && !newcomer) return nullptr;
  before_whole_files_ = of(Line::kWholeFile).empty() ? 0 : before_whole_files_ + 1;
  if (newcomer && (!continuing || before_newcomers_ >= kNewcomerShare - 1)) {
    before_newcomers_ = 0;
    return TakeFirst(Line::kNewcomer);
  }
  before_newcomers_ = newcomer ? before_newcomers_ + 1 : 0;
  return TakeFirst(Line::kContinuing);
}

std::unique_ptr<Sequence> AdmissionQueue::TakeFirst(Line line) {
  Sequences& sequences = lines_[static_cast<size_t>(line)];
  std::unique_ptr<Sequence> first = std::move(sequences.front());
  sequences.pop_front();
  return first;
}

std::unique_ptr<Sequence> AdmissionQueue::Remove(const Sequence* sequence) {
  for (Sequences& sequences : lines_) {
    const auto it = std::find_if(sequences.begin(), sequences.end(),
                                 [&](const auto& other) { return other.get() == sequence; });
    if (it == sequences.end()) continue;
    std::unique_ptr<Sequence> removed = std::move(*it);
    sequences.erase(it);
    return removed;
  }
  return nullptr;
}

int AdmissionQueue::size() const {
  size_t size = 0;
  for (const Sequences& sequences : lines_) size += sequences.size();
  return static_cast<int>(size);
}

void AdmissionQueue::List(std::vector<Sequence*>& sequences) const {
  for (const Sequences& line : lines_) {
    for (const auto& sequence : line) sequences.push_back(sequence.get());
  }
}

void AdmissionQueue::LearnTurn(double seconds) {
  turn_seconds_ =
      turn_seconds_ == 0 ? seconds : turn_seconds_ + kTurnRate * (seconds - turn_seconds_);
}

double AdmissionQueue::ExpectedWait(Line line, int slots, int taken, double age) const {
  size_t ahead = 0;
  for (size_t i = 0; i <= static_cast<size_t>(line); ++i) ahead += lines_[i].size();
  const int turns = taken + static_cast<int>(ahead) + 1 - slots;  // that have to end before
  // Turns that run longer than is typical, or before any has ended, say how long turns are.
  return std::max(turns, 0) * std::max(turn_seconds_, age) / slots;
}

int AdmissionQueue::PositionsAhead(Line line) const {
  int positions = 0;
  for (size_t i = 0; i <= static_cast<size_t>(line); ++i) {
    for (const auto& sequence : lines_[i]) positions += sequence->length();
  }
  return positions;
}

}  // namespace shoal::engine
