// Codes of recordings on disk, so that a voice is encoded once and not once a restart. One SQLite
// file in a folder that any number of front processes may share; the recordings themselves are not
// kept.
//
// A row is found by what was uploaded and by what encoded it, so another codec, decoder or
// resampler never sees it. It carries its own checksum and shape: whatever happened to the file,
// what comes out is what was put in, or nothing. A file that is damaged or is something else is
// moved aside (to NAME.unusable, one is kept) and a new one begun. Crashes lose at most the last
// rows. The least recently used rows go when the file would pass its size.
//
// Any thread may call; calls wait for each other, and at most a moment for other processes: what
// cannot be written then is not kept.
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_STORE_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_STORE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/preprocess/references/encoded_reference.h"
#include "services/preprocess/references/reference_metrics.h"
#include "services/preprocess/references/sqlite_file.h"

namespace shoal::preprocess {

class ReferenceStore {
 public:
  struct Options {
    std::string folder;     // made if need be, for this user alone
    int64_t max_bytes = 0;  // of the file; its log beside it adds at most about 4 MiB
    std::string encoder;    // identity of what makes the codes
    int num_codebooks = 0;
  };

  // An error names the folder: it cannot be made or written. `metrics` must outlive the store.
  static absl::StatusOr<std::unique_ptr<ReferenceStore>> Open(const Options& options,
                                                              ReferenceMetrics* metrics);
  ~ReferenceStore();

  // Null when there is none. What is found becomes recently used. `key`: SHA-256 of the recording.
  SharedReference Find(const std::string& key);

  // `used`: keys found elsewhere since the last call, which become recently used.
  void Keep(const std::string& key, const EncodedReference& reference,
            absl::Span<const std::string> used);
  void Touch(absl::Span<const std::string> used);

  // Where the codes lie.
  std::string path() const;

 private:
  ReferenceStore(const Options& options, ReferenceMetrics* metrics);

  // All of these with mutex_ held.
  absl::Status Connect();               // opens the file that is there now, or a new one
  absl::Status Mend(absl::Status why);  // moves the damaged file aside and begins a new one
  absl::Status OpenFile();
  absl::Status PrepareTable();
  absl::Status MoveAside(const absl::Status& why);
  template <typename Action>
  absl::Status Run(const Action& action);
  template <typename Action>
  absl::Status Write(const Action& action);
  absl::StatusOr<SharedReference> Read(const std::string& key);
  absl::Status Insert(const std::string& key, const EncodedReference& reference);
  // A statement whose first two parameters are the key and the encoder.
  absl::Status RunFor(const char* sql, const std::string& key);
  absl::Status MarkUsed(absl::Span<const std::string> keys);
  absl::Status Evict();
  void Complain(const absl::Status& status);

  const Options options_;
  ReferenceMetrics* const metrics_;

  std::mutex mutex_;
  std::optional<SqliteFile> file_;  // none after an error that opening again may mend
  std::string last_complaint_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_REFERENCE_STORE_H_
