#include "common/checkpoint/torch_archive.h"

#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/state_dict_pickle.h"
#include "common/checkpoint/zip_archive.h"

namespace shoal::checkpoint {
namespace {

using Bytes = absl::Span<const std::byte>;

constexpr size_t kMaxRank = 16;
constexpr char kPickleName[] = "data.pkl";

// The folder that all records stand in, with its slash: the one that holds data.pkl.
absl::StatusOr<std::string> FindFolder(const ZipEntries& entries) {
  for (const auto& [name, bytes] : entries) {
    const size_t slash = name.find('/');
    if (slash != std::string::npos &&
        name.compare(slash + 1, std::string::npos, kPickleName) == 0) {
      return name.substr(0, slash + 1);
    }
  }
  return absl::InvalidArgumentError("expected a torch.save archive, but there is no */data.pkl");
}

absl::Status CheckByteOrder(const ZipEntries& entries, const std::string& folder) {
  const auto order = entries.find(folder + "byteorder");
  if (order == entries.end()) return absl::OkStatus();  // written before the record existed
  const absl::string_view value(reinterpret_cast<const char*>(order->second.data()),
                                order->second.size());
  if (value == "little") return absl::OkStatus();
  return absl::InvalidArgumentError("byteorder should be little");
}

// How many elements a tensor has, once it is known to lie inside its storage.
absl::StatusOr<int64_t> CheckLayout(const PickledTensor& tensor) {
  const auto wrong = [](absl::string_view what) { return absl::InvalidArgumentError(what); };
  if (tensor.shape.size() != tensor.stride.size() || tensor.shape.size() > kMaxRank) {
    return wrong(absl::StrCat("shape and stride should have as many sizes, at most ", kMaxRank));
  }
  if (tensor.offset < 0) return wrong("offset should be >= 0");
  int64_t elements = 1;
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t size = tensor.shape[i];
    const int64_t stride = tensor.stride[i];
    if (size < 0 || stride < 0) return wrong("sizes and strides should be >= 0");
    int64_t reach;
    if (__builtin_mul_overflow(elements, size, &elements) ||
        (size > 0 && (__builtin_mul_overflow(size - 1, stride, &reach) ||
                      __builtin_add_overflow(last, reach, &last)))) {
      return wrong("shape and stride reach further than can be counted");
    }
  }
  if (elements > 0 && last >= tensor.storage_elements) {
    return wrong(absl::StrCat("reaches element ", last, " of storage \"",
                              absl::CEscape(tensor.storage), "\", which has ",
                              tensor.storage_elements));
  }
  // A stride of 0 could ask for any number of copies of one element.
  if (elements > tensor.storage_elements) return wrong("has more elements than its storage");
  return elements;
}

bool IsRowMajor(const PickledTensor& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] > 1 && tensor.stride[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Copies a strided tensor into row-major order. REQUIRES: CheckLayout passed.
void Gather(const PickledTensor& tensor, Bytes storage, int64_t elements, std::byte* out) {
  const size_t width = ByteSize(tensor.dtype);
  std::vector<int64_t> index(tensor.shape.size());
  int64_t at = tensor.offset;
  for (int64_t i = 0; i < elements; ++i) {
    std::memcpy(out + static_cast<size_t>(i) * width,
                storage.data() + static_cast<size_t>(at) * width, width);
    for (size_t axis = index.size(); axis-- > 0;) {
      at += tensor.stride[axis];
      if (++index[axis] < tensor.shape[axis]) break;
      at -= tensor.stride[axis] * tensor.shape[axis];
      index[axis] = 0;
    }
  }
}

// The record of a tensor's storage, of exactly the size that the pickle says.
absl::StatusOr<Bytes> FindStorage(const PickledTensor& tensor, const ZipEntries& entries,
                                  const std::string& folder) {
  const std::string record = absl::StrCat(folder, "data/", tensor.storage);
  const auto found = entries.find(record);
  if (found == entries.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("its record \"", absl::CEscape(record), "\" is missing"));
  }
  int64_t bytes;
  if (tensor.storage_elements < 0 ||
      __builtin_mul_overflow(tensor.storage_elements, static_cast<int64_t>(ByteSize(tensor.dtype)),
                             &bytes) ||
      static_cast<uint64_t>(bytes) != found->second.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "its record \"", absl::CEscape(record), "\" holds ", found->second.size(),
        " bytes, expected ", tensor.storage_elements, " elements of ", DTypeName(tensor.dtype)));
  }
  return found->second;
}

}  // namespace

absl::StatusOr<TorchArchive> TorchArchive::Open(const std::string& path) {
  absl::StatusOr<MappedFile> mapping = MappedFile::Open(path);
  if (!mapping.ok()) return mapping.status();
  absl::StatusOr<TorchArchive> archive = Parse(mapping->bytes(), path);
  if (archive.ok()) archive->mapping_ = *std::move(mapping);
  return archive;
}

absl::StatusOr<TorchArchive> TorchArchive::Parse(Bytes file, const std::string& path) {
  const auto wrong = [&](const absl::Status& status) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  };
  absl::StatusOr<ZipEntries> entries = ParseZip(file, path);
  if (!entries.ok()) return entries.status();
  absl::StatusOr<std::string> folder = FindFolder(*entries);
  if (!folder.ok()) return wrong(folder.status());
  if (absl::Status status = CheckByteOrder(*entries, *folder); !status.ok()) return wrong(status);
  absl::StatusOr<std::vector<PickledTensor>> pickled =
      ReadStateDictPickle((*entries)[*folder + kPickleName]);
  if (!pickled.ok()) return wrong(pickled.status());

  TorchArchive archive;
  // Tensors may share a storage. All copies together stay below what torch.save itself could have
  // written: a hostile file must not make much out of little.
  uint64_t copied = 0;
  for (const PickledTensor& tensor : *pickled) {
    const auto wrong_tensor = [&](const absl::Status& status) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": tensor \"", absl::CEscape(tensor.name), "\": ", status.message()));
    };
    absl::StatusOr<Bytes> storage = FindStorage(tensor, *entries, *folder);
    if (!storage.ok()) return wrong_tensor(storage.status());
    absl::StatusOr<int64_t> elements = CheckLayout(tensor);
    if (!elements.ok()) return wrong_tensor(elements.status());
    const size_t width = ByteSize(tensor.dtype);
    const size_t bytes = static_cast<size_t>(*elements) * width;
    TensorView view{tensor.dtype, tensor.shape, {}};
    if (bytes == 0) {
      view.bytes = {};
    } else if (IsRowMajor(tensor)) {
      view.bytes = storage->subspan(static_cast<size_t>(tensor.offset) * width, bytes);
    } else {
      copied += bytes;
      if (copied > file.size()) {
        return wrong_tensor(absl::InvalidArgumentError("more strided data than the file holds"));
      }
      archive.copies_.push_back(std::make_unique<std::byte[]>(bytes));
      Gather(tensor, *storage, *elements, archive.copies_.back().get());
      view.bytes = absl::MakeConstSpan(archive.copies_.back().get(), bytes);
    }
    archive.tensors_.push_back({tensor.name, std::move(view)});
  }
  return archive;
}

}  // namespace shoal::checkpoint
