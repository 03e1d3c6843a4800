#include "common/checkpoint/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/checkpoint/json_reader.h"

namespace shoal::checkpoint {
namespace {

constexpr uint64_t kMaxHeaderBytes = 16 << 20;
constexpr size_t kMaxRank = 16;

struct DTypeInfo {
  DType dtype;
  const char* name;
  size_t bytes;
};
constexpr DTypeInfo kDTypes[] = {
    {DType::kBool, "BOOL", 1}, {DType::kU8, "U8", 1},     {DType::kI8, "I8", 1},
    {DType::kI16, "I16", 2},   {DType::kI32, "I32", 4},   {DType::kI64, "I64", 8},
    {DType::kF16, "F16", 2},   {DType::kBF16, "BF16", 2}, {DType::kF32, "F32", 4},
    {DType::kF64, "F64", 8},
};

std::optional<DType> DTypeOf(absl::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (name == info.name) return info.dtype;
  }
  return std::nullopt;
}

// A whole number that fits int64, from JSON that may hold anything.
std::optional<int64_t> Count(const nlohmann::json& value) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX) return std::nullopt;
  return value.get<int64_t>();
}

// The entry of one tensor, checked as far as it can be alone. `data` is everything behind the
// header.
absl::StatusOr<TensorView> ParseEntry(const nlohmann::json& entry,
                                      absl::Span<const std::byte> data) {
  const auto wrong = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return wrong("expected an object of dtype, shape and data_offsets");
  }
  const nlohmann::json& type = entry["dtype"];
  if (!type.is_string()) return wrong("dtype should be a string");
  const std::optional<DType> dtype = DTypeOf(type.get_ref<const std::string&>());
  if (!dtype) {
    return wrong(absl::StrCat("unknown dtype \"", type.get_ref<const std::string&>(), "\""));
  }
  const nlohmann::json& sizes = entry["shape"];
  if (!sizes.is_array() || sizes.size() > kMaxRank) {
    return wrong(absl::StrCat("shape should be a list of at most ", kMaxRank, " sizes"));
  }
  TensorView view{*dtype, {}, {}};
  int64_t bytes = static_cast<int64_t>(ByteSize(*dtype));
  for (const nlohmann::json& size : sizes) {
    const std::optional<int64_t> count = Count(size);
    if (!count) return wrong("every size of shape should be a whole number >= 0");
    if (__builtin_mul_overflow(bytes, *count, &bytes)) {
      return wrong("shape takes more bytes than can be counted");
    }
    view.shape.push_back(*count);
  }
  const nlohmann::json& offsets = entry["data_offsets"];
  const std::optional<int64_t> begin =
      offsets.is_array() && offsets.size() == 2 ? Count(offsets[0]) : std::nullopt;
  const std::optional<int64_t> end = begin ? Count(offsets[1]) : std::nullopt;
  if (!end || *begin > *end) return wrong("data_offsets should be two whole numbers in order");
  if (*end - *begin != bytes) {
    return wrong(absl::StrCat("dtype ", DTypeName(*dtype), " and shape ", ShapeString(view.shape),
                              " take ", bytes, " bytes, but data_offsets hold ", *end - *begin));
  }
  if (static_cast<uint64_t>(*end) > data.size()) {
    return wrong(absl::StrCat("ends at byte ", *end, " of the data, but the file holds ",
                              data.size(), " (truncated?)"));
  }
  view.bytes = data.subspan(static_cast<size_t>(*begin), static_cast<size_t>(bytes));
  return view;
}

// The format wants tensors to cover the data without gap or overlap.
absl::Status CheckCoverage(const std::map<std::string, TensorView>& tensors,
                           absl::Span<const std::byte> data, const std::string& path) {
  std::vector<const std::pair<const std::string, TensorView>*> order;
  for (const auto& entry : tensors) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.bytes.data(), a->second.bytes.size()) <
           std::pair(b->second.bytes.data(), b->second.bytes.size());
  });
  const std::byte* expected = data.data();
  for (const auto* entry : order) {
    const absl::Span<const std::byte> bytes = entry->second.bytes;
    if (bytes.data() != expected) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": tensor \"", entry->first, "\" begins at byte ", bytes.data() - data.data(),
          " of the data, but ", expected - data.data(), " was expected: tensors ",
          bytes.data() < expected ? "overlap" : "leave a gap"));
    }
    expected = bytes.data() + bytes.size();
  }
  if (expected != data.data() + data.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": tensors end at byte ", expected - data.data(),
                     " of the data, but the file holds ", data.size()));
  }
  return absl::OkStatus();
}

}  // namespace

size_t ByteSize(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }

absl::string_view DTypeName(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

std::string ShapeString(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(path);
  if (!mapping.ok()) return mapping.status();
  absl::StatusOr<SafetensorsFile> file = Parse(mapping->bytes(), path);
  if (file.ok()) file->mapping_ = *std::move(mapping);
  return file;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Parse(absl::Span<const std::byte> file,
                                                       const std::string& path) {
  uint64_t header_bytes = 0;
  if (file.size() < sizeof(header_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": expected a safetensors file of at least 8 bytes, found ", file.size()));
  }
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the header claims ", header_bytes,
                                                   " bytes, at most ", kMaxHeaderBytes,
                                                   " are accepted"));
  }
  if (header_bytes > file.size() - sizeof(header_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the header claims ", header_bytes, " bytes, but the file holds ",
                     file.size() - sizeof(header_bytes), " behind its length (truncated?)"));
  }
  const absl::Span<const std::byte> data = file.subspan(sizeof(header_bytes) + header_bytes);
  const absl::string_view text(reinterpret_cast<const char*>(file.data()) + sizeof(header_bytes),
                               header_bytes);
  absl::StatusOr<nlohmann::json> header = ParseJson(text, absl::StrCat(path, ": header"));
  if (!header.ok()) return header.status();
  if (!header->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": the header should be a JSON object"));
  }
  SafetensorsFile result;
  result.path_ = path;
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    absl::StatusOr<TensorView> view = ParseEntry(entry, data);
    if (!view.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor \"", name, "\": ", view.status().message()));
    }
    result.tensors_.emplace(name, *std::move(view));
  }
  if (absl::Status status = CheckCoverage(result.tensors_, data, path); !status.ok()) {
    return status;
  }
  return result;
}

absl::StatusOr<TensorView> SafetensorsFile::Find(absl::string_view name) const {
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat(path_, ": tensor \"", name, "\" is missing"));
  }
  return found->second;
}

bool SafetensorsFile::Has(absl::string_view name) const {
  return tensors_.count(std::string(name)) > 0;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  names.reserve(tensors_.size());
  for (const auto& [name, view] : tensors_) names.push_back(name);
  return names;
}

}  // namespace shoal::checkpoint
