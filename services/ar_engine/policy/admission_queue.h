// AdmissionQueue: the sequences that wait to be admitted, and how long that takes. They stand in
// three lines, each in order of arrival. Who hears something already goes before newcomers: its
// audio runs out while it waits. Both go before whole files. So that each comes to its turn
// whatever else waits, every kNewcomerShare-th admission of those who listen is a newcomer's while
// one waits, and every kWholeFileShare-th admission of all is a whole file's.
//
// Owned by the Scheduler; model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_POLICY_ADMISSION_QUEUE_H_
#define SHOAL_SERVICES_AR_ENGINE_POLICY_ADMISSION_QUEUE_H_

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "services/ar_engine/policy/sequence.h"

namespace shoal::engine {

// RESOURCE_EXHAUSTED that says when trying again may help, and what it says; 0: nothing.
absl::Status BusyError(absl::string_view why, double retry_after_seconds);
double RetryAfterSeconds(const absl::Status& status);

class AdmissionQueue {
 public:
  static constexpr int kNewcomerShare = 4, kWholeFileShare = 8;

  enum class Line {
    kContinuing,  // a later turn, or one that an earlier attempt began
    kNewcomer,
    kWholeFile,
  };
  // If not `continuing_first`, who continues stands in line with newcomers.
  explicit AdmissionQueue(bool continuing_first = true) : continuing_first_(continuing_first) {}

  Line LineOf(const Sequence& sequence) const;

  void Push(std::unique_ptr<Sequence> sequence);
  // The next one to be admitted; null when nobody of these waits.
  std::unique_ptr<Sequence> Pop(bool playback, bool whole_files);
  // Takes it out if it is here.
  std::unique_ptr<Sequence> Remove(const Sequence* sequence);

  int size() const;
  // Appends all of them.
  void List(std::vector<Sequence*>& sequences) const;

  // A turn that was admitted `seconds` ago has ended.
  void LearnTurn(double seconds);
  // Seconds until a request of that line that comes now is admitted, if `slots` may be and
  // `taken` of them are, by turns that have run for `age` seconds on average.
  double ExpectedWait(Line line, int slots, int taken, double age) const;
  // Prompt positions that come before those of such a request.
  int PositionsAhead(Line line) const;

 private:
  using Sequences = std::deque<std::unique_ptr<Sequence>>;

  const Sequences& of(Line line) const { return lines_[static_cast<size_t>(line)]; }
  std::unique_ptr<Sequence> TakeFirst(Line line);

  const bool continuing_first_;
  std::array<Sequences, 3> lines_;  // by Line, who goes first is first
  // Admissions since the last of the line behind, while somebody waited there.
  int before_newcomers_ = 0, before_whole_files_ = 0;
  double turn_seconds_ = 0;  // typical; 0: not known
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_POLICY_ADMISSION_QUEUE_H_
