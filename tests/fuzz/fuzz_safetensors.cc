// Any bytes as a safetensors file: whatever is accepted must lie inside the bytes and be readable.

#include <cstdlib>

#include "common/checkpoint/safetensors.h"
#include "common/checkpoint/tensor_values.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace checkpoint = shoal::checkpoint;
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data), size);
  const auto file = checkpoint::SafetensorsFile::Parse(bytes, "fuzz");
  if (!file.ok()) return 0;
  size_t covered = 0;
  for (const std::string& name : file->names()) {
    const auto view = file->Find(name);
    if (!view.ok()) std::abort();
    if (view->bytes.size() > size) std::abort();
    if (!view->bytes.empty() && (view->bytes.data() < bytes.data() ||
                                 view->bytes.data() + view->bytes.size() > bytes.data() + size)) {
      std::abort();
    }
    size_t elements = 1;
    for (const int64_t n : view->shape) elements *= static_cast<size_t>(n);
    if (checkpoint::ToFloats(*view).size() != elements) std::abort();
    checkpoint::AllFinite(*view);
    covered += view->bytes.size();
  }
  if (covered > size) std::abort();  // tensors do not overlap
  return 0;
}
