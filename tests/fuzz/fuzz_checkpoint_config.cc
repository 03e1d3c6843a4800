// Any bytes as config.json and codec.json: sizes that are accepted must be safe to calculate with,
// and come back as they were when written.

#include <cstdlib>

#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/model_config.h"

namespace {

namespace checkpoint = shoal::checkpoint;

// Bytes of all tensors must be countable, as loaders count them.
void CheckCountable(const std::vector<checkpoint::ExpectedTensor>& tensors) {
  for (const checkpoint::ExpectedTensor& tensor : tensors) {
    int64_t bytes = 4;
    for (const int64_t size : tensor.shape) {
      if (size < 1 || __builtin_mul_overflow(bytes, size, &bytes)) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto model = checkpoint::ParseModelConfig(text, "fuzz"); model.ok()) {
    if (!checkpoint::CheckModelConfig(*model, "fuzz").ok()) std::abort();
    if (model->n_semantic() < 1) std::abort();
    CheckCountable(checkpoint::TransformerTensors(*model));
  }
  if (const auto codec = checkpoint::ParseCodecConfig(text, "fuzz"); codec.ok()) {
    if (!checkpoint::CheckCodecConfig(*codec, "fuzz").ok()) std::abort();
    CheckCountable(checkpoint::CodecTensors(*codec));
  }
  return 0;
}
