#include <cerrno>
#include <cstdio>
#include <set>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/safetensors.h"
#include "nlohmann/json.hpp"

namespace shoal::checkpoint {
namespace {

absl::Status Check(absl::Span<const NamedTensor> tensors, const std::string& path) {
  std::set<absl::string_view> names;
  for (const NamedTensor& named : tensors) {
    int64_t bytes = static_cast<int64_t>(ByteSize(named.tensor.dtype));
    bool counted = true;
    for (const int64_t size : named.tensor.shape) {
      counted = counted && size >= 0 && !__builtin_mul_overflow(bytes, size, &bytes);
    }
    if (!counted || static_cast<uint64_t>(bytes) != named.tensor.bytes.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "writing ", path, ": tensor \"", named.name, "\" of shape ",
          ShapeString(named.tensor.shape), " and dtype ", DTypeName(named.tensor.dtype),
          " comes with ", named.tensor.bytes.size(), " bytes"));
    }
    if (named.name == "__metadata__" || !names.insert(named.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("writing ", path, ": two entries are named \"", named.name, "\""));
    }
  }
  return absl::OkStatus();
}

// Entries in the order of the tensors, padded so that the data begins at a multiple of 8.
std::string Header(absl::Span<const NamedTensor> tensors,
                   const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  size_t offset = 0;
  for (const NamedTensor& named : tensors) {
    const size_t end = offset + named.tensor.bytes.size();
    header[named.name] = {{"dtype", std::string(DTypeName(named.tensor.dtype))},
                          {"shape", named.tensor.shape},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  // "replace": a name that is not UTF-8 must not end the program.
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

absl::Status WriteSafetensors(const std::string& path, absl::Span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  if (absl::Status status = Check(tensors, path); !status.ok()) return status;
  const std::string header = Header(tensors, metadata);
  const std::string beside = absl::StrCat(path, ".part");
  std::FILE* file = std::fopen(beside.c_str(), "wbe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, beside);
  const auto write = [file](const void* data, size_t size) {
    return std::fwrite(data, 1, size, file) == size;
  };
  const uint64_t header_bytes = header.size();
  bool written = write(&header_bytes, sizeof(header_bytes)) && write(header.data(), header.size());
  for (const NamedTensor& named : tensors) {
    const absl::Span<const std::byte> bytes = named.tensor.bytes;
    written = written && (bytes.empty() || write(bytes.data(), bytes.size()));
  }
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(beside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    std::remove(beside.c_str());
    return absl::ErrnoToStatus(error, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

}  // namespace shoal::checkpoint
