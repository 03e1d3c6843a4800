#include "tools/make_tiny.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/fingerprint.h"
#include "common/checkpoint/json_reader.h"
#include "common/checkpoint/safetensors.h"
#include "common/checkpoint/tensor_values.h"
#include "tools/random_weights.h"
#include "tools/tiny_tokenizer.h"

namespace shoal::tools {
namespace {

using checkpoint::DType;
using checkpoint::ExpectedTensor;
using checkpoint::NamedTensor;
using checkpoint::TensorRole;

// Tensors together with the bytes that they view.
struct Weights {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<NamedTensor> tensors;
};

std::vector<std::byte> Encode(const std::vector<float>& values, DType dtype) {
  std::vector<std::byte> bytes(values.size() * checkpoint::ByteSize(dtype));
  if (dtype == DType::kF32) {
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t rounded = checkpoint::FloatToBFloat16(values[i]);
    std::memcpy(bytes.data() + i * sizeof(rounded), &rounded, sizeof(rounded));
  }
  return bytes;
}

Weights MakeWeights(const std::vector<ExpectedTensor>& expected, DType dtype,
                    const TinyOptions& options) {
  Weights weights;
  weights.bytes.reserve(expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const ExpectedTensor& tensor = expected[i];
    int64_t count = 1;
    for (const int64_t size : tensor.shape) count *= size;
    // The direction of a weight norm stands right behind its gain.
    const std::vector<int64_t>& direction =
        tensor.role == TensorRole::kNormGain ? expected[i + 1].shape : tensor.shape;
    const WeightLaw law = LawOf(tensor, direction, options.codebooks);
    weights.bytes.push_back(Encode(RandomValues(options.seed, tensor.name, law, count), dtype));
    weights.tensors.push_back({tensor.name, {dtype, tensor.shape, weights.bytes.back()}});
  }
  return weights;
}

std::string ShardName(int64_t shard, int64_t shards) {
  return absl::StrFormat("model-%05d-of-%05d.safetensors", shard + 1, shards);
}

// Cuts the tensors, in order, into shards of about equal size and writes them with their index.
absl::Status WriteShards(const std::string& directory, const std::vector<NamedTensor>& tensors,
                         int64_t shards) {
  if (shards == 1) {
    return checkpoint::WriteSafetensors(absl::StrCat(directory, "/model.safetensors"), tensors,
                                        {{"format", "pt"}});
  }
  size_t total = 0;
  for (const NamedTensor& tensor : tensors) total += tensor.tensor.bytes.size();
  nlohmann::ordered_json map = nlohmann::ordered_json::object();
  size_t written = 0;
  size_t next = 0;
  for (int64_t shard = 0; shard < shards; ++shard) {
    const std::string name = ShardName(shard, shards);
    const size_t target = total * static_cast<size_t>(shard + 1) / static_cast<size_t>(shards);
    const size_t left_for_others = static_cast<size_t>(shards - shard - 1);
    std::vector<NamedTensor> part;
    // At least one tensor each, and one left for each that follows.
    while (next + left_for_others < tensors.size() && (part.empty() || written < target)) {
      written += tensors[next].tensor.bytes.size();
      map[tensors[next].name] = name;
      part.push_back(tensors[next++]);
    }
    absl::Status status =
        checkpoint::WriteSafetensors(absl::StrCat(directory, "/", name), part, {{"format", "pt"}});
    if (!status.ok()) return status;
  }
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
  return checkpoint::WriteFile(absl::StrCat(directory, "/model.safetensors.index.json"),
                               index.dump(2) + "\n");
}

absl::Status PrepareDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(directory, ": ", error.message()));
  for (const char* file : {"config.json", "model.safetensors", "codec.safetensors", "codec.pth"}) {
    if (std::filesystem::exists(absl::StrCat(directory, "/", file), error)) {
      return absl::AlreadyExistsError(
          absl::StrCat(directory, ": holds a checkpoint (", file, "); give an empty folder"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeTinyCheckpoint(const std::string& directory, const TinyOptions& options) {
  absl::StatusOr<checkpoint::ModelConfig> model = TinyModelConfig(options);
  if (!model.ok()) return model.status();
  absl::StatusOr<checkpoint::CodecConfig> codec = TinyCodecConfig(options);
  if (!codec.ok()) return codec.status();
  const std::vector<ExpectedTensor> transformers = checkpoint::TransformerTensors(*model);
  const int64_t most_shards = static_cast<int64_t>(transformers.size());
  if (options.shards < 1 || options.shards > most_shards) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shards: expected 1 to ", most_shards, ", not ", options.shards));
  }
  absl::Status status = checkpoint::CheckCodecConfig(*codec, "these sizes");
  if (status.ok()) status = checkpoint::CheckModelConfig(*model, "these sizes");
  if (status.ok()) status = PrepareDirectory(directory);
  if (!status.ok()) return status;

  const Weights model_weights = MakeWeights(transformers, DType::kBF16, options);
  status = WriteShards(directory, model_weights.tensors, options.shards);
  if (!status.ok()) return status;
  Weights codec_weights = MakeWeights(checkpoint::CodecTensors(*codec), DType::kF32, options);
  std::sort(codec_weights.tensors.begin(), codec_weights.tensors.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  status.Update(checkpoint::WriteSafetensors(absl::StrCat(directory, "/codec.safetensors"),
                                             codec_weights.tensors, {}));
  status.Update(checkpoint::WriteCodecConfig(directory, *codec));
  status.Update(checkpoint::WriteFile(absl::StrCat(directory, "/tokenizer.json"),
                                      TinyTokenizerJson(options.semantic_entries)));
  status.Update(checkpoint::WriteModelConfig(directory, *model));
  if (!status.ok()) return status;
  absl::StatusOr<checkpoint::FingerprintFile> hashes = checkpoint::ComputeFingerprint(directory);
  if (!hashes.ok()) return hashes.status();
  return checkpoint::WriteFingerprintFile(directory, *hashes);
}

}  // namespace shoal::tools
