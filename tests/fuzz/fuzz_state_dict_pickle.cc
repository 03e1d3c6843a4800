// Any bytes as the pickle inside a codec.pth: the machine must stop, and refuse or describe.

#include <cstdlib>

#include "common/checkpoint/state_dict_pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(data), size);
  const auto tensors = shoal::checkpoint::ReadStateDictPickle(bytes);
  if (tensors.ok() && tensors->size() > size) std::abort();
  return 0;
}
