// Uploaded recordings become codes here, off the request's thread, and once: a recording is known
// by the SHA-256 of its bytes, its codes stay in memory, and on disk where a folder is given, until
// others push them out, and requests that bring the same recording at the same time wait for one
// encoding. A recording that nobody waits for any more is not encoded, or not to its end.
//
// Any thread may call Get; `done` runs on a worker's thread. The destructor waits for the work in
// hand to stop; callbacks of what still waits are never called.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_CACHE_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/audio/recording.h"
#include "services/preprocess/references/encoded_reference.h"
#include "services/preprocess/references/reference_encoder.h"
#include "services/preprocess/references/reference_metrics.h"
#include "services/preprocess/references/reference_store.h"
#include "services/preprocess/references/worker_pool.h"

namespace shoal::preprocess {

class ReferenceCache {
 public:
  struct Options {
    audio::RecordingLimits limits;
    size_t max_bytes = 0;  // of codes kept in memory
    int workers = 1;
    size_t max_waiting = 64;     // recordings
    std::string folder = "";     // of the codes on disk; empty: none are kept there
    int64_t max_disk_bytes = 0;  // at most this
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<SharedReference>)>;
  // Whoever asks holds one as long as it wants the answer. Once it is gone, `done` is not called
  // any more, but for a call that has begun.
  using Ticket = std::shared_ptr<const void>;

  // `encoder` and `metrics` must outlive the cache. An error names the folder.
  static absl::StatusOr<std::unique_ptr<ReferenceCache>> Create(const Options& options,
                                                                const ReferenceEncoder* encoder,
                                                                service::Metrics* metrics);
  ~ReferenceCache();

  // INVALID_ARGUMENT (without a field: the caller knows which) when the recording cannot be used;
  // RESOURCE_EXHAUSTED when too many wait.
  [[nodiscard]] Ticket Get(std::string recording, Done done);

 private:
  struct Waiter {
    std::weak_ptr<const void> ticket;
    Done done;
  };
  // A recording that is looked for on disk, waits for a worker or is being encoded.
  struct Job {
    std::string recording;  // until a worker has it
    std::vector<Waiter> waiters;
  };
  struct Kept {
    SharedReference reference;
    std::list<std::string>::iterator age;  // in by_age_
    size_t bytes;
  };

  ReferenceCache(const Options& options, const ReferenceEncoder* encoder,
                 service::Metrics* metrics);

  void Look(std::string recording, Waiter waiter);
  void Enqueue(const std::string& key);
  void EncodeQueued();
  void EncodeNow(const std::string& key, const std::string& recording);
  absl::StatusOr<SharedReference> Encode(const std::string& key, const std::string& recording);
  bool Wanted(const std::string& key);
  void Settle(const std::string& key, const absl::StatusOr<SharedReference>& result);
  std::vector<std::string> TakeUsed();

  // With mutex_ held.
  bool WantedLocked(const std::string& key);
  void Keep(const std::string& key, SharedReference reference);

  const Options options_;
  const ReferenceEncoder* const encoder_;
  ReferenceMetrics metrics_;
  std::unique_ptr<ReferenceStore> store_;  // null: memory only; set once, by Create

  std::mutex mutex_;
  bool stopping_ = false;
  std::map<std::string, Kept> kept_;  // by SHA-256
  std::list<std::string> by_age_;     // the least recently used first
  size_t bytes_ = 0;
  std::map<std::string, Job> jobs_;  // by SHA-256; none of them is in kept_
  std::deque<std::string> queue_;    // the jobs that wait for a worker
  std::set<std::string> used_;       // found in memory, which the store has yet to hear of

  // Hashing has a thread of its own, so that a known voice never waits behind an unknown one.
  WorkerPool encoding_;
  WorkerPool hashing_;  // last, so ended first: its tasks use all of the above
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_CACHE_H_
