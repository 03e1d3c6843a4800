// One connection to an SQLite file, with errors as absl::Status. Owned and used by one thread at a
// time: the connection has no lock of its own.
//
//   DATA_LOSS    the file is damaged, no database, or one with other tables than asked for
//   UNAVAILABLE  another process holds it for longer than this one may wait
//   INTERNAL     anything else: no space, no permission, a failing disk
#ifndef SHOAL_SERVICES_PREPROCESS_REFERENCES_SQLITE_FILE_H_
#define SHOAL_SERVICES_PREPROCESS_REFERENCES_SQLITE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace shoal::preprocess {

// A prepared statement. What is bound must outlive the last Step(). Must go before its file.
class SqliteStatement {
 public:
  SqliteStatement& Bind(int parameter, int64_t value);  // parameters count from 1
  SqliteStatement& Bind(int parameter, double value);
  SqliteStatement& Bind(int parameter, absl::string_view blob);

  // True: there is a row, whose columns (from 0) can be read until the next call.
  absl::StatusOr<bool> Step();
  // Step() of a statement that has no rows.
  absl::Status Run();

  int64_t Integer(int column) const;
  double Real(int column) const;
  absl::string_view Blob(int column) const;

 private:
  friend class SqliteFile;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const;
  };

  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
  absl::Status bound_;  // the first thing that could not be bound
};

class SqliteFile {
 public:
  // Creates the file if need be, readable by this user alone. `patience_ms`: for other processes.
  static absl::StatusOr<SqliteFile> Open(const std::string& path, int patience_ms);

  absl::StatusOr<SqliteStatement> Prepare(absl::string_view sql);
  // Statements without parameters; rows are dropped.
  absl::Status Execute(const std::string& sql);
  // The first column of the first row.
  absl::StatusOr<int64_t> Query(absl::string_view sql);

  // Another file, or none, has taken this one's name since it was opened.
  bool replaced() const;
  // Rows that the last statement changed.
  int64_t changed() const;

 private:
  struct Closer {
    void operator()(sqlite3* file) const;
  };

  std::unique_ptr<sqlite3, Closer> file_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_REFERENCES_SQLITE_FILE_H_
