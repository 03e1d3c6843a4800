#include "services/preprocess/references/reference_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace shoal::preprocess {
namespace {

// Another layout of the table gets another name, so that old and new processes can share a folder.
constexpr char kFileName[] = "references-1.sqlite3";
constexpr char kLockName[] = "references-1.lock";
constexpr int64_t kApplicationId = 0x53484f4c;  // "SHOL"
constexpr int kPatienceMs = 250;

constexpr char kSettings[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"  // a power cut may take the last rows, never the file
    "PRAGMA journal_size_limit = 4194304;";
// `used` counts uses, so that no clock is needed; the largest is the latest.
constexpr char kTable[] =
    "CREATE TABLE reference(key BLOB NOT NULL, encoder BLOB NOT NULL, used INTEGER NOT NULL,"
    " packed BLOB NOT NULL, PRIMARY KEY(key, encoder));"
    "CREATE INDEX by_use ON reference(used);";
constexpr char kFind[] = "SELECT packed FROM reference WHERE key = ?1 AND encoder = ?2";
constexpr char kDrop[] = "DELETE FROM reference WHERE key = ?1 AND encoder = ?2";
constexpr char kMarkUsed[] =
    "UPDATE reference SET used = (SELECT max(used) + 1 FROM reference)"
    " WHERE key = ?1 AND encoder = ?2";
constexpr char kInsert[] =
    "INSERT OR REPLACE INTO reference(key, encoder, packed, used)"
    " VALUES(?1, ?2, ?3, (SELECT ifnull(max(used), 0) + 1 FROM reference))";
constexpr char kDropOldest[] =
    "DELETE FROM reference WHERE rowid = (SELECT rowid FROM reference ORDER BY used LIMIT 1)";

// Held by a process while it opens, closes or moves the file: nobody opens what is being moved.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder) {
    const std::string path = absl::StrCat(folder, "/", kLockName);
    descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor_ < 0 || flock(descriptor_, LOCK_EX) != 0) {
      status_ = absl::ErrnoToStatus(errno, path);
    }
  }
  ~FolderLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  const absl::Status& status() const { return status_; }

 private:
  int descriptor_ = -1;
  absl::Status status_;
};

absl::StatusOr<int64_t> LiveBytes(SqliteFile& file) {
  const absl::StatusOr<int64_t> pages = file.Query("PRAGMA page_count");
  const absl::StatusOr<int64_t> unused = file.Query("PRAGMA freelist_count");
  const absl::StatusOr<int64_t> size = file.Query("PRAGMA page_size");
  if (!pages.ok()) return pages;
  if (!unused.ok()) return unused;
  if (!size.ok()) return size;
  return (*pages - *unused) * *size;
}

}  // namespace

ReferenceStore::ReferenceStore(const Options& options, ReferenceMetrics* metrics)
    : options_(options), metrics_(metrics) {}

std::string ReferenceStore::path() const { return absl::StrCat(options_.folder, "/", kFileName); }

absl::StatusOr<std::unique_ptr<ReferenceStore>> ReferenceStore::Open(const Options& options,
                                                                     ReferenceMetrics* metrics) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::create_directories(options.folder, error)) {
    fs::permissions(options.folder, fs::perms::owner_all, error);
  }
  if (error || !fs::is_directory(options.folder, error)) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.folder, ": not a folder that this process can make or use"));
  }
  std::unique_ptr<ReferenceStore> store(new ReferenceStore(options, metrics));
  std::lock_guard<std::mutex> lock(store->mutex_);
  const absl::Status status = store->Connect();
  // Others that are busy with it now are no reason not to begin: the first use opens it.
  if (!status.ok() && !absl::IsUnavailable(status)) {
    return absl::FailedPreconditionError(absl::StrCat(options.folder, ": ", status.message()));
  }
  return store;
}

ReferenceStore::~ReferenceStore() {
  // Closing may remove the log by its name, which must not become another file's in between.
  const FolderLock lock(options_.folder);
  file_.reset();
}

absl::Status ReferenceStore::Connect() {
  const FolderLock lock(options_.folder);
  if (!lock.status().ok()) return lock.status();
  file_.reset();
  const absl::Status status = OpenFile();
  if (!absl::IsDataLoss(status)) return status;
  file_.reset();
  if (absl::Status moved = MoveAside(status); !moved.ok()) return moved;
  return OpenFile();
}

absl::Status ReferenceStore::Mend(absl::Status why) {
  const FolderLock lock(options_.folder);
  if (!lock.status().ok()) return lock.status();
  const bool already = file_->replaced();  // by another process that shares the folder
  file_.reset();
  if (!already) {
    if (absl::Status moved = MoveAside(why); !moved.ok()) return moved;
  }
  return OpenFile();
}

absl::Status ReferenceStore::OpenFile() {
  std::error_code error;
  if (std::filesystem::exists(path(), error) && !std::filesystem::is_regular_file(path(), error)) {
    return absl::DataLossError("it is no file");
  }
  absl::StatusOr<SqliteFile> file = SqliteFile::Open(path(), kPatienceMs);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  absl::Status status = PrepareTable();
  // The limit may be a smaller one than last time.
  if (status.ok()) status = Write([this] { return Evict(); });
  if (status.ok()) status = file_->Execute("PRAGMA incremental_vacuum");
  if (!status.ok()) file_.reset();
  return status;
}

absl::Status ReferenceStore::PrepareTable() {
  const absl::StatusOr<int64_t> application = file_->Query("PRAGMA application_id");
  if (!application.ok()) return application.status();
  const absl::StatusOr<int64_t> tables = file_->Query("SELECT count(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();
  if (*application != kApplicationId && (*application != 0 || *tables > 0)) {
    return absl::DataLossError("it is a database of another program");
  }
  absl::Status status = file_->Execute(kSettings);
  if (status.ok() && *tables == 0) {
    status = file_->Execute(absl::StrCat(
        "BEGIN IMMEDIATE; PRAGMA application_id = ", kApplicationId, ";", kTable, "COMMIT"));
  }
  for (const char* sql : {kFind, kDrop, kMarkUsed, kInsert, kDropOldest}) {
    if (status.ok()) status = file_->Prepare(sql).status();
  }
  return status;
}

absl::Status ReferenceStore::MoveAside(const absl::Status& why) {
  const std::string aside = path() + ".unusable";
  spdlog::error("{} cannot be used ({}): moved to {}, and a new one is begun", path(),
                std::string(why.message()), aside);
  metrics_->disk_errors.Increment();
  // The log first: beside a new file it would be taken for that file's.
  for (const char* part : {"-wal", "-shm", ""}) {
    std::error_code error;
    std::filesystem::rename(path() + part, aside + part, error);
    if (error && error != std::errc::no_such_file_or_directory) {
      return absl::FailedPreconditionError(
          absl::StrCat(path(), part, " cannot be moved to ", aside, part, ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

// Runs `action` on an open file. Where that turns out damaged, what was asked is not done, and the
// next action finds a new file.
template <typename Action>
absl::Status ReferenceStore::Run(const Action& action) {
  // Somebody else may have moved the file aside, or deleted the folder.
  if (!file_ || file_->replaced()) {
    if (absl::Status status = Connect(); !status.ok()) return status;
  }
  const absl::Status status = action();
  return absl::IsDataLoss(status) ? Mend(status) : status;
}

template <typename Action>
absl::Status ReferenceStore::Write(const Action& action) {
  absl::Status status = file_->Execute("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = action();
  if (status.ok()) status = file_->Execute("COMMIT");
  if (!status.ok()) file_->Execute("ROLLBACK").IgnoreError();  // the first error is the one to tell
  return status;
}

SharedReference ReferenceStore::Find(const std::string& key) {
  std::lock_guard<std::mutex> lock(mutex_);
  SharedReference found;
  Complain(Run([&]() -> absl::Status {
    absl::StatusOr<SharedReference> read = Read(key);
    if (!read.ok()) return read.status();
    found = *std::move(read);
    return found == nullptr ? absl::OkStatus() : RunFor(kMarkUsed, key);
  }));
  return found;
}

void ReferenceStore::Keep(const std::string& key, const EncodedReference& reference,
                          absl::Span<const std::string> used) {
  std::lock_guard<std::mutex> lock(mutex_);
  Complain(Run([&] {
    return Write([&] {
      absl::Status status = MarkUsed(used);
      if (status.ok()) status = Insert(key, reference);
      return status.ok() ? Evict() : status;
    });
  }));
}

void ReferenceStore::Touch(absl::Span<const std::string> used) {
  if (used.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  Complain(Run([&] { return Write([&] { return MarkUsed(used); }); }));
}

absl::StatusOr<SharedReference> ReferenceStore::Read(const std::string& key) {
  std::string packed;
  {
    absl::StatusOr<SqliteStatement> find = file_->Prepare(kFind);
    if (!find.ok()) return find.status();
    const absl::StatusOr<bool> row = find->Bind(1, key).Bind(2, options_.encoder).Step();
    if (!row.ok()) return row.status();
    if (!*row) return nullptr;
    packed = std::string(find->Blob(0));
  }
  SharedReference reference =
      UnpackReference(packed, absl::StrCat(key, options_.encoder), options_.num_codebooks);
  if (reference != nullptr) return reference;
  spdlog::error("{}: a recording's codes are damaged and dropped", path());
  metrics_->disk_errors.Increment();
  if (absl::Status status = RunFor(kDrop, key); !status.ok()) return status;
  return nullptr;
}

absl::Status ReferenceStore::Insert(const std::string& key, const EncodedReference& reference) {
  const std::string packed = PackReference(reference, absl::StrCat(key, options_.encoder));
  absl::StatusOr<SqliteStatement> insert = file_->Prepare(kInsert);
  if (!insert.ok()) return insert.status();
  return insert->Bind(1, key).Bind(2, options_.encoder).Bind(3, packed).Run();
}

absl::Status ReferenceStore::RunFor(const char* sql, const std::string& key) {
  absl::StatusOr<SqliteStatement> statement = file_->Prepare(sql);
  if (!statement.ok()) return statement.status();
  return statement->Bind(1, key).Bind(2, options_.encoder).Run();
}

absl::Status ReferenceStore::MarkUsed(absl::Span<const std::string> keys) {
  absl::Status status;
  for (const std::string& key : keys) {
    if (status.ok()) status = RunFor(kMarkUsed, key);
  }
  return status;
}

absl::Status ReferenceStore::Evict() {
  for (;;) {
    const absl::StatusOr<int64_t> bytes = LiveBytes(*file_);
    if (!bytes.ok()) return bytes.status();
    metrics_->disk_bytes.Set(static_cast<double>(*bytes));
    if (*bytes <= options_.max_bytes) return absl::OkStatus();
    if (absl::Status status = file_->Execute(kDropOldest); !status.ok()) return status;
    if (file_->changed() == 0) return absl::OkStatus();  // it is empty
    metrics_->disk_evictions.Increment();
  }
}

void ReferenceStore::Complain(const absl::Status& status) {
  // Others that write are no fault; a full disk is told once.
  if (status.ok() || absl::IsUnavailable(status)) return;
  metrics_->disk_errors.Increment();
  if (last_complaint_ != status.message()) {
    spdlog::error("codes of recordings cannot be kept in {}: {}", options_.folder,
                  std::string(status.message()));
  }
  last_complaint_ = std::string(status.message());
}

}  // namespace shoal::preprocess
