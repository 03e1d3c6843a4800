// Any bytes as a codec.pth: zip, pickle and strides. Whatever is accepted must be readable, and
// small files must not become large tensors.

#include <cstdlib>

#include "common/checkpoint/tensor_values.h"
#include "common/checkpoint/torch_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace checkpoint = shoal::checkpoint;
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data), size);
  const auto archive = checkpoint::TorchArchive::Parse(bytes, "fuzz");
  if (!archive.ok()) return 0;
  for (const checkpoint::NamedTensor& named : archive->tensors()) {
    if (named.tensor.bytes.size() > size) std::abort();
    size_t elements = 1;
    for (const int64_t n : named.tensor.shape) elements *= static_cast<size_t>(n);
    if (checkpoint::ToFloats(named.tensor).size() != elements) std::abort();
  }
  return 0;
}
