// A checkpoint directory, opened: configurations, tensors and fingerprint of the parts asked for.
//
// Owned by the process that loads a model from it, and only as long as it loads: the mappings go
// with it. Immutable once opened, so any thread may read. Opening checks the configurations against
// each other; whether every tensor is there is found by whoever takes them (or `shoal-checkpoint
// verify`).
#ifndef SHOAL_COMMON_CHECKPOINT_CHECKPOINT_H_
#define SHOAL_COMMON_CHECKPOINT_CHECKPOINT_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/fingerprint.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {

class Checkpoint {
 public:
  // Parts to open. A configuration is read whenever its part is asked for or its file is there.
  struct Parts {
    bool transformer = false;
    bool codec = false;
  };

  static absl::StatusOr<Checkpoint> Open(const std::string& directory, Parts parts);

  const std::string& directory() const { return directory_; }
  // REQUIRES: config.json is there; it always is when Parts::transformer was given.
  const ModelConfig& model_config() const { return *model_config_; }
  // REQUIRES: codec.json is there; it always is when Parts::codec was given.
  const CodecConfig& codec_config() const { return *codec_config_; }
  bool has_model_config() const { return model_config_.has_value(); }
  bool has_codec_config() const { return codec_config_.has_value(); }

  // REQUIRES: Parts::transformer.
  const TensorStore& weights() const { return *weights_; }
  // REQUIRES: Parts::codec.
  const TensorStore& codec_weights() const { return *codec_weights_; }

  // Of the tokenizer, where tokenizer.json is there, and of the parts that were opened: from
  // fingerprint.json when its sizes match, else computed, which reads every byte of them.
  absl::StatusOr<Fingerprint> fingerprint() const;

 private:
  Checkpoint() = default;

  std::string directory_;
  std::optional<ModelConfig> model_config_;
  std::optional<CodecConfig> codec_config_;
  std::optional<TensorStore> weights_;
  std::optional<TensorStore> codec_weights_;
};

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_CHECKPOINT_H_
