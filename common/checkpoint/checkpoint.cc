#include "common/checkpoint/checkpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::checkpoint {
namespace {

// What config.json and codec.json must say alike for codes of the one to mean something to the
// other. Residual codes may exceed the codec's codebooks: the codec clamps them.
absl::Status CheckAgreement(const std::string& directory, const ModelConfig& model,
                            const CodecConfig& codec) {
  if (model.num_codebooks != codec.num_codebooks()) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory, ": config.json: audio_decoder_config.num_codebooks is ", model.num_codebooks,
        ", but codec.json has 1 semantic and quantizer.n_residual_codebooks ",
        codec.quantizer.n_residual_codebooks));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& directory, Parts parts) {
  Checkpoint checkpoint;
  checkpoint.directory_ = directory;

  absl::StatusOr<ModelConfig> model = LoadModelConfig(directory);
  if (model.ok()) {
    checkpoint.model_config_ = *model;
  } else if (parts.transformer || !absl::IsNotFound(model.status())) {
    return model.status();
  }
  absl::StatusOr<CodecConfig> codec = LoadCodecConfig(directory);
  if (codec.ok()) {
    checkpoint.codec_config_ = *std::move(codec);
  } else if (parts.codec || !absl::IsNotFound(codec.status())) {
    return codec.status();
  }
  if (checkpoint.model_config_ && checkpoint.codec_config_) {
    const absl::Status status =
        CheckAgreement(directory, *checkpoint.model_config_, *checkpoint.codec_config_);
    if (!status.ok()) return status;
  }

  if (parts.transformer) {
    absl::StatusOr<TensorStore> store = TensorStore::Open(directory, "model");
    if (!store.ok()) return store.status();
    checkpoint.weights_ = *std::move(store);
  }
  if (parts.codec) {
    absl::StatusOr<TensorStore> store = TensorStore::Open(directory, "codec");
    if (absl::IsNotFound(store.status())) {
      return absl::NotFoundError(
          absl::StrCat(directory, "/codec.safetensors is missing: run `shoal-checkpoint ",
                       "convert-codec ", directory, "/codec.pth` to make it"));
    }
    if (!store.ok()) return store.status();
    checkpoint.codec_weights_ = *std::move(store);
  }
  return checkpoint;
}

absl::StatusOr<Fingerprint> Checkpoint::fingerprint() const {
  absl::StatusOr<FingerprintFile> kept = ReadFingerprintFile(directory_);
  if (absl::IsNotFound(kept.status())) kept = FingerprintFile();
  if (!kept.ok()) return kept.status();
  const auto known = [&](const char* part) -> const std::string* {
    const auto found = kept->find(part);
    const bool usable = found != kept->end() && SizesMatch(directory_, found->second);
    return usable ? &found->second.sha256 : nullptr;
  };

  Fingerprint result;
  if (const std::string* hash = known("tokenizer")) {
    result.tokenizer = *hash;
  } else {
    absl::StatusOr<std::string> computed = HashFile(absl::StrCat(directory_, "/tokenizer.json"));
    if (!computed.ok() && !absl::IsNotFound(computed.status())) return computed.status();
    if (computed.ok()) result.tokenizer = *std::move(computed);
  }
  if (weights_) {
    const std::string* hash = known("transformer");
    result.transformer = hash != nullptr ? *hash : HashTensors(*weights_);
  }
  if (codec_weights_) {
    const std::string* hash = known("codec");
    result.codec = hash != nullptr ? *hash : HashTensors(*codec_weights_);
  }
  return result;
}

}  // namespace shoal::checkpoint
