// The tensors of a state dict as torch.save writes it: an uncompressed zip of a pickle and one
// record per storage. Only offline tools read this; servers read safetensors.
//
// Owned by the tool that converts it; immutable once opened. The file is not trusted: nothing is
// executed, and every tensor is checked to lie inside its storage. Tensors are views of the
// mapping, or of copies that the archive owns where the stored tensor is not row-major, and live as
// long as the archive.
#ifndef SHOAL_COMMON_CHECKPOINT_TORCH_ARCHIVE_H_
#define SHOAL_COMMON_CHECKPOINT_TORCH_ARCHIVE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/mapped_file.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {

class TorchArchive {
 public:
  static absl::StatusOr<TorchArchive> Open(const std::string& path);
  // The same over bytes that the caller keeps; `path` is for messages.
  static absl::StatusOr<TorchArchive> Parse(absl::Span<const std::byte> file,
                                            const std::string& path);

  // In the order of the state dict.
  const std::vector<NamedTensor>& tensors() const { return tensors_; }

 private:
  TorchArchive() = default;

  MappedFile mapping_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  std::vector<NamedTensor> tensors_;
};

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_TORCH_ARCHIVE_H_
