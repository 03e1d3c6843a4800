// JSON files that are not trusted: parsing that cannot crash, and fields whose errors name the file
// and the key.
//
// For readers of configurations and for tools. Nothing here throws; objects are plain values for
// one thread.
#ifndef SHOAL_COMMON_CHECKPOINT_JSON_READER_H_
#define SHOAL_COMMON_CHECKPOINT_JSON_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"

namespace shoal::checkpoint {

// INVALID_ARGUMENT, beginning with `path`, when the text is not JSON, nests deeper than 32, or
// repeats a key within an object.
absl::StatusOr<nlohmann::json> ParseJson(absl::string_view text, const std::string& path);

// The whole of a file of at most `max_bytes`. NOT_FOUND when there is none.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes);
// Written beside its place and renamed, so it appears complete or not at all.
absl::Status WriteFile(const std::string& path, absl::string_view text);

// Reads fields of one object. The first thing that is wrong is kept in status(), and everything
// read after it is 0 or empty, so a caller reads all fields and looks once.
class FieldReader {
 public:
  // `where` is the dotted path of the object inside the file, empty for the whole. A null object
  // has no fields.
  FieldReader(const nlohmann::json* object, std::string path, std::string where,
              absl::Status* status);

  bool Has(absl::string_view key) const;
  // Whole number in [low, high]. A missing key takes the default; without one it is an error.
  int64_t Int(absl::string_view key, int64_t low, int64_t high,
              std::optional<int64_t> missing = std::nullopt);
  // Finite number in [low, high].
  double Number(absl::string_view key, double low, double high,
                std::optional<double> missing = std::nullopt);
  bool Bool(absl::string_view key, bool missing);
  // 1 to `most` whole numbers, each in [low, high].
  std::vector<int64_t> Ints(absl::string_view key, size_t most, int64_t low, int64_t high);
  // One of `choices`, by its place among them; none when the key is missing.
  std::optional<size_t> Choice(absl::string_view key, absl::Span<const absl::string_view> choices);
  // A field that is itself an object.
  FieldReader Object(absl::string_view key);
  // Records an error about the first key that is none of `known`.
  void AllowOnly(absl::Span<const absl::string_view> known);
  // Records an error about a field unless there is one already.
  void Fail(absl::string_view key, absl::string_view expected);

 private:
  const nlohmann::json* Find(absl::string_view key) const;

  const nlohmann::json* object_;
  std::string path_;
  std::string where_;
  absl::Status* status_;
};

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_JSON_READER_H_
