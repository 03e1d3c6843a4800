// AdmissionQueue: the sequences that wait to be admitted, and how long that takes. Playback goes
// before whole files, each in order of arrival; every kWholeFileShare-th admission while both wait
// is a whole file's, so that it comes to its turn whatever plays.
//
// Owned by the Scheduler; model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_ADMISSION_QUEUE_H_
#define SHOAL_SERVICES_AR_ENGINE_ADMISSION_QUEUE_H_

#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "services/ar_engine/sequence.h"

namespace shoal::engine {

// RESOURCE_EXHAUSTED that says when trying again may help, and what it says; 0: nothing.
absl::Status BusyError(absl::string_view why, double retry_after_seconds);
double RetryAfterSeconds(const absl::Status& status);

class AdmissionQueue {
 public:
  static constexpr int kWholeFileShare = 8;

  void Push(std::unique_ptr<Sequence> sequence);
  // The next one to be admitted; null when nobody of these waits.
  std::unique_ptr<Sequence> Pop(bool playback, bool whole_files);
  // Takes it out if it is here.
  std::unique_ptr<Sequence> Remove(const Sequence* sequence);

  int size() const { return static_cast<int>(playback_.size() + whole_files_.size()); }
  // Appends all of them.
  void List(std::vector<Sequence*>& sequences) const;

  // A turn that was admitted `seconds` ago has ended.
  void LearnTurn(double seconds);
  // Seconds until a request of that priority that comes now is admitted, if `slots` may be and
  // `taken` of them are, by turns that have run for `age` seconds on average.
  double ExpectedWait(Priority priority, int slots, int taken, double age) const;
  // Prompt positions that come before those of such a request.
  int PositionsAhead(Priority priority) const;

 private:
  std::deque<std::unique_ptr<Sequence>> playback_, whole_files_;
  int playback_in_a_row_ = 0;  // admissions since the last whole file's while one waited
  double turn_seconds_ = 0;    // typical; 0: not known
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_ADMISSION_QUEUE_H_
