// The entries of a zip archive that is not trusted and whose entries are stored, not compressed:
// the container of torch.save. Zip64 is understood.
//
// Private to checkpoint. Views reach into the bytes given to Parse, which the caller keeps.
#ifndef SHOAL_COMMON_CHECKPOINT_ZIP_ARCHIVE_H_
#define SHOAL_COMMON_CHECKPOINT_ZIP_ARCHIVE_H_

#include <cstddef>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace shoal::checkpoint {

// Entry name -> bytes.
using ZipEntries = std::map<std::string, absl::Span<const std::byte>>;

// INVALID_ARGUMENT, naming `path` and the entry, when the archive is damaged, split, encrypted or
// compressed, or has two entries of one name.
absl::StatusOr<ZipEntries> ParseZip(absl::Span<const std::byte> file, const std::string& path);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_ZIP_ARCHIVE_H_
