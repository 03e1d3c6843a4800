#include "tools/verify.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/generation_config.h"
#include "common/checkpoint/tensor_values.h"
#include "tools/tokenizer_check.h"

namespace shoal::tools {
namespace {

using checkpoint::Checkpoint;
using checkpoint::ExpectedTensor;
using checkpoint::TensorStore;
using checkpoint::TensorView;

// Every expected tensor of one store; notes what nobody expects.
absl::Status CheckTensors(const TensorStore& store, std::vector<ExpectedTensor> expected,
                          const std::string& directory, Verified* result) {
  std::set<std::string> unused;
  for (std::string& name : store.names()) unused.insert(std::move(name));
  for (ExpectedTensor& tensor : expected) {
    const bool other_head =
        tensor.name == checkpoint::kHeadName && !store.Has(checkpoint::kHeadName);
    if (other_head && store.Has(checkpoint::kOtherHeadName)) {
      tensor.name = checkpoint::kOtherHeadName;
    }
    absl::StatusOr<TensorView> view = store.Get(tensor.name, tensor.shape);
    if (!view.ok()) return view.status();
    const std::string where = absl::StrCat(directory, ": tensor \"", tensor.name, "\" ");
    const checkpoint::DType dtype = view->dtype;
    if (dtype != checkpoint::DType::kBF16 && dtype != checkpoint::DType::kF16 &&
        dtype != checkpoint::DType::kF32 && dtype != checkpoint::DType::kF64) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, "has dtype ", checkpoint::DTypeName(dtype), ", expected floats"));
    }
    if (!checkpoint::AllFinite(*view)) {
      return absl::InvalidArgumentError(absl::StrCat(where, "holds a value that is not finite"));
    }
    unused.erase(tensor.name);
  }
  if (!unused.empty()) {
    result->notes.push_back(
        absl::StrCat(unused.size(), " tensors are not used, the first is ", *unused.begin()));
  }
  return absl::OkStatus();
}

// A fingerprint.json that is there must be right: peers would refuse each other, or worse not.
absl::Status CheckFingerprint(const Checkpoint& opened, Verified* result) {
  const std::string& directory = opened.directory();
  absl::StatusOr<checkpoint::FingerprintFile> kept = checkpoint::ReadFingerprintFile(directory);
  if (absl::IsNotFound(kept.status())) {
    result->notes.push_back("no fingerprint.json: servers compute it at every start");
    return absl::OkStatus();
  }
  if (!kept.ok()) return kept.status();
  absl::StatusOr<checkpoint::FingerprintFile> computed = checkpoint::ComputeFingerprint(directory);
  if (!computed.ok()) return computed.status();
  for (const auto& [part, entry] : *computed) {
    const auto found = kept->find(part);
    if (found == kept->end()) continue;
    if (found->second.sha256 != entry.sha256 || found->second.files != entry.files) {
      return absl::InvalidArgumentError(
          absl::StrCat(directory, "/fingerprint.json: ", part,
                       " is not what the files hash to; remove it or make it anew"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Verified> VerifyCheckpoint(const std::string& directory) {
  absl::StatusOr<Checkpoint> opened =
      Checkpoint::Open(directory, {.transformer = true, .codec = true});
  if (!opened.ok()) return opened.status();
  Verified result;
  const std::vector<ExpectedTensor> transformers =
      checkpoint::TransformerTensors(opened->model_config());
  const std::vector<ExpectedTensor> codec = checkpoint::CodecTensors(opened->codec_config());
  result.transformer_tensors = static_cast<int64_t>(transformers.size());
  result.codec_tensors = static_cast<int64_t>(codec.size());
  absl::Status status = CheckTokenizer(directory, opened->model_config());
  if (status.ok()) status = checkpoint::LoadGenerationConfig(directory).status();
  if (status.ok()) status = CheckTensors(opened->weights(), transformers, directory, &result);
  if (status.ok()) status = CheckTensors(opened->codec_weights(), codec, directory, &result);
  if (status.ok()) status = CheckFingerprint(*opened, &result);
  if (!status.ok()) return status;
  return result;
}

}  // namespace shoal::tools
