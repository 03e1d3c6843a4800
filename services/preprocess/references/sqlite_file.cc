#include "services/preprocess/references/sqlite_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::preprocess {
namespace {

absl::Status ErrorOf(sqlite3* file, int code, absl::string_view doing) {
  const std::string message =
      absl::StrCat(doing, ": ", file == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(file));
  switch (code & 0xff) {  // without what an extended code adds
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // The statements are constants and the folder is this process's own: what makes them fail is
    // that the file does not hold what it should.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_READONLY:
      return absl::DataLossError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

void SqliteStatement::Finalizer::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteStatement& SqliteStatement::Bind(int parameter, int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) bound_.Update(ErrorOf(nullptr, code, "binding"));
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, double value) {
  const int code = sqlite3_bind_double(statement_.get(), parameter, value);
  if (code != SQLITE_OK) bound_.Update(ErrorOf(nullptr, code, "binding"));
  return *this;
}

SqliteStatement& SqliteStatement::Bind(int parameter, absl::string_view blob) {
  const int code =
      sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_STATIC);
  if (code != SQLITE_OK) bound_.Update(ErrorOf(nullptr, code, "binding"));
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  if (!bound_.ok()) return bound_;
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return ErrorOf(sqlite3_db_handle(statement_.get()), code, sqlite3_sql(statement_.get()));
}

absl::Status SqliteStatement::Run() { return Step().status(); }

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

double SqliteStatement::Real(int column) const {
  return sqlite3_column_double(statement_.get(), column);
}

absl::string_view SqliteStatement::Blob(int column) const {
  // In this order: asking for the bytes may change how many there are.
  const void* bytes = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<size_t>(size)};
}

void SqliteFile::Closer::operator()(sqlite3* file) const { sqlite3_close(file); }

absl::StatusOr<SqliteFile> SqliteFile::Open(const std::string& path, int patience_ms) {
  // SQLite gives the log beside a file the file's own permissions.
  // Only a new file is opened here: closing one would drop the locks that this process holds on it.
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) {
    close(descriptor);
  } else if (errno != EEXIST) {
    return absl::ErrnoToStatus(errno, path);
  }
  SqliteFile opened;
  sqlite3* file = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  opened.file_.reset(file);
  if (code != SQLITE_OK) return ErrorOf(file, code, path);
  sqlite3_extended_result_codes(file, 1);
  sqlite3_busy_timeout(file, patience_ms);
  // The file may come from anybody: nothing in it is run, and neither its structure nor the sizes
  // in it are believed.
  sqlite3_limit(file, SQLITE_LIMIT_LENGTH, 64 << 20);
  sqlite3_db_config(file, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(file, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(file, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(file, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  if (absl::Status status = opened.Execute("PRAGMA cell_size_check = ON"); !status.ok()) {
    return status;
  }
  return opened;
}

absl::StatusOr<SqliteStatement> SqliteFile::Prepare(absl::string_view sql) {
  sqlite3_stmt* prepared = nullptr;
  const int code =
      sqlite3_prepare_v2(file_.get(), sql.data(), static_cast<int>(sql.size()), &prepared, nullptr);
  SqliteStatement statement;
  statement.statement_.reset(prepared);
  if (code != SQLITE_OK) return ErrorOf(file_.get(), code, sql);
  return statement;
}

absl::Status SqliteFile::Execute(const std::string& sql) {
  const int code = sqlite3_exec(file_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ErrorOf(file_.get(), code, sql);
}

absl::StatusOr<int64_t> SqliteFile::Query(absl::string_view sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::DataLossError(absl::StrCat(sql, ": no row"));
  return statement->Integer(0);
}

bool SqliteFile::replaced() const {
  int moved = 0;
  const int code = sqlite3_file_control(file_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK && moved != 0;
}

int64_t SqliteFile::changed() const { return sqlite3_changes(file_.get()); }

}  // namespace shoal::preprocess
