#include "common/checkpoint/json_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace shoal::checkpoint {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDepth = 32;

// Builds the document from parse events, so that depth and repeated keys are seen as they come.
class DocumentBuilder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Put(nullptr) != nullptr; }
  bool boolean(bool value) override { return Put(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return Put(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return Put(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return Put(value) != nullptr;
  }
  bool string(string_t& value) override { return Put(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return Fail("holds binary data"); }
  bool start_object(std::size_t) override { return Enter(Json::object()); }
  bool start_array(std::size_t) override { return Enter(Json::array()); }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }

  bool key(string_t& value) override {
    if (open_.back()->contains(value)) {
      return Fail(absl::StrCat("has the key \"", value, "\" twice in one object"));
    }
    key_ = std::move(value);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    return Fail(absl::StrCat("is not JSON: error at byte ", position));
  }

  Json root;
  std::string error;

 private:
  Json* Put(Json value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }

  bool Enter(Json empty) {
    if (open_.size() == kMaxDepth) {
      return Fail(absl::StrCat("nests deeper than ", kMaxDepth, " levels"));
    }
    open_.push_back(Put(std::move(empty)));
    return true;
  }

  bool Leave() {
    open_.pop_back();
    return true;
  }

  bool Fail(std::string what) {
    if (error.empty()) error = std::move(what);
    return false;
  }

  std::vector<Json*> open_;  // stable: a container's elements do not move while it is the innermost
  std::string key_;
};

}  // namespace

absl::StatusOr<Json> ParseJson(absl::string_view text, const std::string& path) {
  DocumentBuilder builder;
  const bool parsed = Json::sax_parse(text.begin(), text.end(), &builder);
  if (!parsed || !builder.error.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", builder.error));
  }
  return std::move(builder.root);
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, path);
  std::string text;
  char buffer[65536];
  size_t n;
  bool too_long = false;
  while (!too_long && (n = std::fread(buffer, 1, sizeof(buffer), file)) > 0) {
    text.append(buffer, n);
    too_long = text.size() > static_cast<size_t>(max_bytes);
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return absl::UnavailableError(absl::StrCat(path, ": cannot be read"));
  if (too_long) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected at most ", max_bytes, " bytes"));
  }
  return text;
}

absl::Status WriteFile(const std::string& path, absl::string_view text) {
  const std::string beside = absl::StrCat(path, ".part");
  std::FILE* file = std::fopen(beside.c_str(), "wbe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, beside);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(beside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    std::remove(beside.c_str());
    return absl::ErrnoToStatus(error, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

FieldReader::FieldReader(const Json* object, std::string path, std::string where,
                         absl::Status* status)
    : object_(object), path_(std::move(path)), where_(std::move(where)), status_(status) {
  if (status_->ok() && object_ != nullptr && !object_->is_object()) {
    *status_ = absl::InvalidArgumentError(absl::StrCat(
        path_, ": ", where_.empty() ? "the whole" : where_, " should be a JSON object"));
  }
}

const Json* FieldReader::Find(absl::string_view key) const {
  if (object_ == nullptr || !object_->is_object()) return nullptr;
  const auto found = object_->find(std::string(key));
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

bool FieldReader::Has(absl::string_view key) const { return Find(key) != nullptr; }

void FieldReader::Fail(absl::string_view key, absl::string_view expected) {
  if (!status_->ok()) return;
  *status_ = absl::InvalidArgumentError(
      absl::StrCat(path_, ": ", where_, where_.empty() ? "" : ".", key, " should be ", expected));
}

int64_t FieldReader::Int(absl::string_view key, int64_t low, int64_t high,
                         std::optional<int64_t> missing) {
  const Json* field = Find(key);
  const std::string expected = absl::StrCat("a whole number from ", low, " to ", high);
  if (field == nullptr && !missing) Fail(key, absl::StrCat(expected, ", but is missing"));
  if (field == nullptr && missing) {
    // A default taken from another field must fit here as well.
    if (*missing < low || *missing > high) Fail(key, absl::StrCat(expected, ", not ", *missing));
    return *missing;
  }
  if (field == nullptr) return 0;
  // A number_unsigned may exceed int64.
  const bool whole = field->is_number_unsigned() ? field->get<uint64_t>() <= INT64_MAX
                                                 : field->is_number_integer();
  if (!whole || field->get<int64_t>() < low || field->get<int64_t>() > high) {
    Fail(key, absl::StrCat(expected, ", not ", field->dump(-1, ' ', true).substr(0, 40)));
    return 0;
  }
  return field->get<int64_t>();
}

double FieldReader::Number(absl::string_view key, double low, double high,
                           std::optional<double> missing) {
  const Json* field = Find(key);
  const std::string expected = absl::StrCat("a number from ", low, " to ", high);
  if (field == nullptr && !missing) Fail(key, absl::StrCat(expected, ", but is missing"));
  if (field == nullptr) return missing.value_or(0);
  const double value = field->is_number() ? field->get<double>() : NAN;
  if (!(value >= low && value <= high)) {
    Fail(key, absl::StrCat(expected, ", not ", field->dump(-1, ' ', true).substr(0, 40)));
    return 0;
  }
  return value;
}

bool FieldReader::Bool(absl::string_view key, bool missing) {
  const Json* field = Find(key);
  if (field == nullptr) return missing;
  if (!field->is_boolean()) {
    Fail(key, "true or false");
    return missing;
  }
  return field->get<bool>();
}

std::vector<int64_t> FieldReader::Ints(absl::string_view key, size_t most, int64_t low,
                                       int64_t high) {
  const Json* field = Find(key);
  const std::string expected =
      absl::StrCat("a list of 1 to ", most, " whole numbers from ", low, " to ", high);
  std::vector<int64_t> values;
  if (field == nullptr || !field->is_array() || field->empty() || field->size() > most) {
    Fail(key, expected);
    return values;
  }
  for (const Json& value : *field) {
    const bool whole =
        value.is_number_unsigned() ? value.get<uint64_t>() <= INT64_MAX : value.is_number_integer();
    if (!whole || value.get<int64_t>() < low || value.get<int64_t>() > high) {
      Fail(key, expected);
      return {};
    }
    values.push_back(value.get<int64_t>());
  }
  return values;
}

std::optional<size_t> FieldReader::Choice(absl::string_view key,
                                          absl::Span<const absl::string_view> choices) {
  const Json* field = Find(key);
  if (field == nullptr) return std::nullopt;
  if (field->is_string()) {
    const auto found =
        std::find(choices.begin(), choices.end(), field->get_ref<const std::string&>());
    if (found != choices.end()) return static_cast<size_t>(found - choices.begin());
  }
  Fail(key, absl::StrCat("one of \"", absl::StrJoin(choices, "\", \""), "\", not ",
                         field->dump(-1, ' ', true).substr(0, 40)));
  return std::nullopt;
}

FieldReader FieldReader::Object(absl::string_view key) {
  const Json* field = Find(key);
  if (field == nullptr) Fail(key, "a JSON object, but is missing");
  return FieldReader(field, path_, absl::StrCat(where_, where_.empty() ? "" : ".", key), status_);
}

void FieldReader::AllowOnly(absl::Span<const absl::string_view> known) {
  if (!status_->ok() || object_ == nullptr || !object_->is_object()) return;
  for (const auto& [key, value] : object_->items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    *status_ = absl::InvalidArgumentError(
        absl::StrCat(path_, ": ", where_, where_.empty() ? "" : " has ", "the key ",
                     Json(key).dump(-1, ' ', true).substr(0, 40),
                     ", which is unknown; expected one of ", absl::StrJoin(known, ", ")));
    return;
  }
}

}  // namespace shoal::checkpoint
