#include "tests/services/ar_engine/model/random_checkpoint.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <list>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/safetensors.h"
#include "common/checkpoint/tensor_values.h"

namespace shoal::engine {
namespace {

void ThrowUnless(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

// Mean and spread that keep activations near 1 through the layers.
std::normal_distribution<float> ValuesOf(const checkpoint::ExpectedTensor& tensor) {
  switch (tensor.role) {
    case checkpoint::TensorRole::kProjection:
      return std::normal_distribution<float>(
          0, 1 / std::sqrt(static_cast<float>(tensor.shape.back())));
    case checkpoint::TensorRole::kNorm:
      return std::normal_distribution<float>(1, 0.1f);
    case checkpoint::TensorRole::kBias:
      return std::normal_distribution<float>(0, 0.2f);
    default:
      return std::normal_distribution<float>(0, 1);
  }
}

std::vector<std::byte> RandomBytes(const checkpoint::ExpectedTensor& tensor, bool bf16,
                                   std::mt19937_64& random) {
  size_t count = 1;
  for (const int64_t size : tensor.shape) count *= static_cast<size_t>(size);
  const size_t width = bf16 ? sizeof(uint16_t) : sizeof(float);
  std::vector<std::byte> bytes(count * width);
  std::normal_distribution<float> values = ValuesOf(tensor);
  for (size_t i = 0; i < count; ++i) {
    const float value = values(random);
    if (bf16) {
      reinterpret_cast<uint16_t*>(bytes.data())[i] = checkpoint::FloatToBFloat16(value);
    } else {
      reinterpret_cast<float*>(bytes.data())[i] = value;
    }
  }
  return bytes;
}

}  // namespace

checkpoint::ModelConfig SmallConfig() {
  checkpoint::ModelConfig config;
  config.text.vocab_size = 150;
  config.text.n_layer = 2;
  config.text.n_head = 6;
  config.text.n_local_heads = 2;
  config.text.head_dim = 12;
  config.text.dim = 40;
  config.text.intermediate_size = 52;
  config.text.max_seq_len = 256;
  config.text.rope_base = 10000;
  config.text.norm_eps = 1e-6;
  config.text.attention_qk_norm = true;
  config.text.tie_word_embeddings = true;
  config.audio = config.text;
  config.audio.vocab_size = 37;
  config.audio.n_head = 4;
  config.audio.n_local_heads = 1;
  config.audio.head_dim = 10;
  config.audio.dim = 28;
  config.audio.intermediate_size = 33;
  config.audio.attention_qk_norm = false;
  config.audio.tie_word_embeddings = false;
  config.num_codebooks = 5;
  config.text_dim = config.text.dim;
  config.semantic_start = 100;
  config.semantic_end = 136;
  config.eos_token_id = 90;
  config.pad_token_id = 91;
  config.audio_pad_token_id = 92;
  return config;
}

checkpoint::ModelConfig RandomConfig(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto between = [&](int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random() % static_cast<uint64_t>(most - least + 1));
  };
  checkpoint::ModelConfig config = SmallConfig();
  for (checkpoint::TransformerConfig* part : {&config.text, &config.audio}) {
    part->n_layer = between(1, 3);
    part->n_local_heads = between(1, 3);
    part->n_head = part->n_local_heads * between(1, 3);
    part->head_dim = 2 * between(1, 36);
    part->dim = between(10, 90);
    part->intermediate_size = between(10, 140);
    part->attention_qk_norm = between(0, 1) == 1;
    part->attention_qkv_bias = between(0, 3) == 0;
    part->attention_o_bias = between(0, 3) == 0;
  }
  config.text.tie_word_embeddings = between(0, 1) == 1;
  config.text_dim = config.text.dim;
  config.num_codebooks = between(1, 10);
  return config;
}

RandomCheckpoint::RandomCheckpoint(const checkpoint::ModelConfig& config, RandomWeights weights) {
  std::string pattern = std::filesystem::temp_directory_path() / "shoal_random_checkpoint_XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  directory_ = pattern;
  ThrowUnless(checkpoint::WriteModelConfig(directory_, config));
  std::mt19937_64 random(weights.seed);
  std::list<std::vector<std::byte>> storage;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const checkpoint::ExpectedTensor& tensor : checkpoint::TransformerTensors(config)) {
    storage.push_back(RandomBytes(tensor, weights.bf16, random));
    std::string name = tensor.name;
    if (weights.nan_token >= 0 && name == "text_model.model.embeddings.weight") {
      // All bits set are a NaN in every float type.
      const size_t row = storage.back().size() / static_cast<size_t>(tensor.shape[0]);
      std::fill_n(storage.back().begin() + weights.nan_token * static_cast<int64_t>(row), row,
                  std::byte{0xff});
    }
    if (weights.other_head_name && name == checkpoint::kHeadName) {
      name = checkpoint::kOtherHeadName;
    }
    const auto dtype = weights.bf16 ? checkpoint::DType::kBF16 : checkpoint::DType::kF32;
    tensors.push_back({std::move(name), {dtype, tensor.shape, storage.back()}});
  }
  ThrowUnless(checkpoint::WriteSafetensors(directory_ + "/model.safetensors", tensors, {}));
}

RandomCheckpoint::~RandomCheckpoint() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

checkpoint::Checkpoint RandomCheckpoint::Open() const {
  absl::StatusOr<checkpoint::Checkpoint> opened =
      checkpoint::Checkpoint::Open(directory_, {.transformer = true});
  ThrowUnless(opened.status());
  return *std::move(opened);
}

}  // namespace shoal::engine
