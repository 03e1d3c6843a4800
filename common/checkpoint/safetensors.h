// Tensors of a checkpoint: reading and writing safetensors files.
//
// SafetensorsFile is one memory-mapped file, TensorStore a folder's worth of them: one file, or
// shards named by an index. Both own their mappings and are immutable once opened: any number of
// threads may read, and every TensorView stays valid as long as the object that gave it (moving the
// object does not move the mapping). Files are not trusted: Open checks the whole header (at most
// 16 MiB) with overflow-checked arithmetic, so a view never reaches outside its file. Every error
// names the file, the tensor and what was expected.
#ifndef SHOAL_COMMON_CHECKPOINT_SAFETENSORS_H_
#define SHOAL_COMMON_CHECKPOINT_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/mapped_file.h"

namespace shoal::checkpoint {

enum class DType { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };

// Bytes of one element.
size_t ByteSize(DType dtype);
// The name in a safetensors header: "BF16".
absl::string_view DTypeName(DType dtype);
// "[2048, 64]".
std::string ShapeString(absl::Span<const int64_t> shape);

struct TensorView {
  DType dtype;
  std::vector<int64_t> shape;         // every size >= 0; empty for a scalar
  absl::Span<const std::byte> bytes;  // row-major, little-endian; any alignment
};

struct NamedTensor {
  std::string name;
  TensorView tensor;
};

class SafetensorsFile {
 public:
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);
  // The same over bytes that the caller keeps; `path` is for messages.
  static absl::StatusOr<SafetensorsFile> Parse(absl::Span<const std::byte> file,
                                               const std::string& path);

  absl::StatusOr<TensorView> Find(absl::string_view name) const;
  bool Has(absl::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  const std::string& path() const { return path_; }

 private:
  SafetensorsFile() = default;

  std::string path_;
  MappedFile mapping_;  // empty after Parse
  std::map<std::string, TensorView> tensors_;
};

class TensorStore {
 public:
  // Opens `directory`/`stem`.safetensors or, where there is none, the shards that
  // `stem`.safetensors.index.json names. Tensors that the index does not name are left out.
  static absl::StatusOr<TensorStore> Open(const std::string& directory, absl::string_view stem);

  // The tensor if it is there with exactly this shape.
  absl::StatusOr<TensorView> Get(absl::string_view name, absl::Span<const int64_t> shape) const;
  // The tensor whatever its shape.
  absl::StatusOr<TensorView> Find(absl::string_view name) const;
  bool Has(absl::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  // File names inside the directory, the index included, in order.
  const std::vector<std::string>& files() const { return files_; }

 private:
  TensorStore() = default;
  static absl::StatusOr<TensorStore> OpenShards(const std::string& directory,
                                                const std::string& index);

  std::string described_;  // the file or the index, for messages
  std::vector<std::string> files_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t> shard_of_;
};

// Writes one file, tensors in the order given, metadata under "__metadata__". The file appears
// complete or not at all (written beside its place and renamed).
absl::Status WriteSafetensors(const std::string& path, absl::Span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_SAFETENSORS_H_
