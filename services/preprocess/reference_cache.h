// Uploaded recordings become codes here, off the request's thread, and once: a recording is known
// by the SHA-256 of its bytes, its codes stay in memory until others push them out, and requests
// that bring the same recording at the same time wait for one encoding.
//
// Any thread may call Get; `done` runs on a worker's thread. The destructor waits for the work in
// hand; callbacks of what still waits are never called.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCE_CACHE_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/audio/recording.h"
#include "services/preprocess/front_metrics.h"
#include "services/preprocess/reference_encoder.h"
#include "services/preprocess/worker_pool.h"

namespace shoal::preprocess {

// A recording that was decoded and encoded.
struct EncodedReference {
  Codes codes;
  std::vector<std::string> warnings;  // codes of tts::v1::Warning
  double seconds = 0;                 // of audio
};
using SharedReference = std::shared_ptr<const EncodedReference>;

class ReferenceCache {
 public:
  struct Options {
    audio::RecordingLimits limits;
    size_t max_bytes = 0;  // of codes kept
    int workers = 1;
    size_t max_waiting = 64;  // recordings
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<SharedReference>)>;

  // Both must outlive the cache.
  ReferenceCache(const Options& options, const ReferenceEncoder* encoder, FrontMetrics* metrics);
  ~ReferenceCache();

  // INVALID_ARGUMENT (without a field: the caller knows which) when the recording cannot be used;
  // RESOURCE_EXHAUSTED when too many wait.
  void Get(std::string recording, Done done);

 private:
  struct Entry {
    SharedReference reference;  // null while it is being encoded
    std::vector<Done> waiting;
    std::list<std::string>::iterator age;  // in by_age_, once there is a reference
    size_t bytes = 0;
  };

  void Look(std::string recording, Done done);
  void EncodeNow(const std::string& key, const std::string& recording);
  absl::StatusOr<SharedReference> Encode(const std::string& recording) const;
  void Settle(const std::string& key, const absl::StatusOr<SharedReference>& result);
  void Evict();  // with mutex_ held

  const Options options_;
  const ReferenceEncoder* const encoder_;
  FrontMetrics* const metrics_;

  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  // by SHA-256
  std::list<std::string> by_age_;         // the least recently used first
  size_t bytes_ = 0;

  // Hashing has a thread of its own, so that a known voice never waits behind an unknown one.
  WorkerPool encoding_;
  WorkerPool hashing_;  // last, so ended first: its tasks use all of the above
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCE_CACHE_H_
