// A file mapped read-only into memory.
//
// Owned by whoever opened it; move-only; the address of the bytes survives a move. A mapping is
// immutable, so any thread may read it.
#ifndef SHOAL_COMMON_CHECKPOINT_MAPPED_FILE_H_
#define SHOAL_COMMON_CHECKPOINT_MAPPED_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::checkpoint {

class MappedFile {
 public:
  MappedFile() = default;  // holds nothing
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  static absl::StatusOr<MappedFile> Open(const std::string& path);

  absl::Span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(absl::Span<const std::byte> bytes) : bytes_(bytes) {}

  absl::Span<const std::byte> bytes_;
};

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_MAPPED_FILE_H_
