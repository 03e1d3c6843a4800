// Any bytes as config.json, codec.json and generation_config.json: sizes that are accepted must be
// safe to calculate with, and come back as they were when written; sampling that is accepted must
// be in the ranges of requests.

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <optional>

#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/generation_config.h"
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

// Written so that NaN is out of range.
template <typename Value, typename Bound>
void CheckRange(const std::optional<Value>& value, Bound low, Bound high) {
  if (value && !(*value >= low && *value <= high)) std::abort();
}

void CheckGeneration(const checkpoint::GenerationConfig& config) {
  constexpr float kAboveZero = std::numeric_limits<float>::denorm_min();
  CheckRange(config.temperature, 0.0f, 10.0f);
  CheckRange(config.top_p, kAboveZero, 1.0f);
  CheckRange(config.top_k, int64_t{0}, int64_t{UINT32_MAX});
  CheckRange(config.repetition_penalty, 0.1f, 10.0f);
  CheckRange(config.max_frames, int64_t{1}, int64_t{INT32_MAX});
  CheckRange(config.ras.window, int64_t{1}, int64_t{64});
  CheckRange(config.ras.temperature, kAboveZero, 10.0f);
  CheckRange(config.ras.top_p, kAboveZero, 1.0f);
  // Names of choices are looked up.
  if (checkpoint::ToString(config).size() > 400) std::abort();
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
  if (const auto config = checkpoint::ParseGenerationConfig(text, "fuzz"); config.ok()) {
    CheckGeneration(*config);
  }
  return 0;
}
