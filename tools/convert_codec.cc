#include "tools/convert_codec.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/fingerprint.h"
#include "common/checkpoint/tensor_values.h"
#include "common/checkpoint/torch_archive.h"

namespace shoal::tools {
namespace {

using checkpoint::CodecConfig;
using checkpoint::DType;
using checkpoint::ExpectedTensor;
using checkpoint::NamedTensor;
using checkpoint::TensorView;
using checkpoint::TorchArchive;

constexpr char kS2Pro[] = "S2 Pro";

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

struct Sizes {
  CodecConfig config;
  std::string from;
};

// A codec.json in the target folder counts before one beside codec.pth, and both before S2 Pro's.
absl::StatusOr<Sizes> FindSizes(const std::string& directory, const std::string& beside) {
  for (const std::string& folder : {directory, beside}) {
    absl::StatusOr<CodecConfig> config = checkpoint::LoadCodecConfig(folder);
    if (config.ok()) return Sizes{*std::move(config), absl::StrCat(folder, "/codec.json")};
    if (!absl::IsNotFound(config.status())) return config.status();
  }
  return Sizes{S2ProCodec(), kS2Pro};
}

bool IsFloating(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64;
}

absl::Status CheckTensor(const ExpectedTensor& expected, const TensorView* found) {
  if (found == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("is missing, expected with shape ", checkpoint::ShapeString(expected.shape)));
  }
  if (found->shape != expected.shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("has shape ", checkpoint::ShapeString(found->shape), ", expected ",
                     checkpoint::ShapeString(expected.shape)));
  }
  if (!IsFloating(found->dtype)) {
    return absl::InvalidArgumentError(
        absl::StrCat("has dtype ", checkpoint::DTypeName(found->dtype), ", expected floats"));
  }
  if (!checkpoint::AllFinite(*found)) {
    return absl::InvalidArgumentError("holds a value that is not finite");
  }
  return absl::OkStatus();
}

// The tensors that the codec uses, sorted by name. Views of float32 where the archive has float32;
// else of what is put into *converted, whose elements do not move.
absl::StatusOr<std::vector<NamedTensor>> SelectTensors(const TorchArchive& archive,
                                                       const Sizes& sizes, const std::string& path,
                                                       std::vector<std::vector<float>>* converted) {
  std::map<std::string, const TensorView*> stored;
  for (const NamedTensor& named : archive.tensors()) stored[named.name] = &named.tensor;
  std::vector<NamedTensor> selected;
  for (const ExpectedTensor& expected : checkpoint::CodecTensors(sizes.config)) {
    const auto entry = stored.find(expected.name);
    const TensorView* found = entry == stored.end() ? nullptr : entry->second;
    if (absl::Status status = CheckTensor(expected, found); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": tensor \"", expected.name, "\" ", status.message(), " (sizes of ", sizes.from,
          sizes.from == kS2Pro ? "; for another codec put its codec.json beside it)" : ")"));
    }
    NamedTensor tensor{expected.name, *found};
    if (found->dtype != DType::kF32) {
      converted->push_back(checkpoint::ToFloats(*found));
      const std::vector<float>& values = converted->back();
      tensor.tensor.dtype = DType::kF32;
      tensor.tensor.bytes = absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()),
                                                values.size() * sizeof(float));
    }
    selected.push_back(std::move(tensor));
  }
  std::sort(selected.begin(), selected.end(),
            [](const NamedTensor& a, const NamedTensor& b) { return a.name < b.name; });
  return selected;
}

// Parts other than the codec keep what fingerprint.json says of them as long as it is right.
absl::Status UpdateFingerprint(const std::string& directory) {
  absl::StatusOr<checkpoint::TensorStore> store = checkpoint::TensorStore::Open(directory, "codec");
  if (!store.ok()) return store.status();
  absl::StatusOr<checkpoint::FingerprintFile> file = checkpoint::ReadFingerprintFile(directory);
  if (!file.ok()) file = checkpoint::FingerprintFile();
  (*file)["codec"] = checkpoint::HashPart(directory, *store);
  return checkpoint::WriteFingerprintFile(directory, *file);
}

}  // namespace

CodecConfig S2ProCodec() {
  CodecConfig config;
  config.sample_rate = 44100;
  config.encoder_dim = 64;
  config.encoder_rates = {2, 4, 8, 8};
  config.latent_dim = 1024;
  config.decoder_dim = 1536;
  config.decoder_rates = {8, 8, 4, 2};
  config.hop_length = 512;
  config.frame_length = 2048;
  config.encoder_transformer = {.block = 4,
                                .transformer = {.dim = 1024,
                                                .n_layer = 4,
                                                .n_head = 16,
                                                .head_dim = 64,
                                                .intermediate_size = 3072,
                                                .window_size = 512,
                                                .rope_base = 10000,
                                                .norm_eps = 1e-5}};
  config.quantizer = {.input_dim = 1024,
                      .downsample_factor = {2, 2},
                      .codebook_dim = 8,
                      .semantic_codebook_size = 4096,
                      .residual_codebook_size = 1024,
                      .n_residual_codebooks = 9};
  config.quantizer_transformer = {.dim = 1024,
                                  .n_layer = 8,
                                  .n_head = 16,
                                  .head_dim = 64,
                                  .intermediate_size = 3072,
                                  .window_size = 128,
                                  .rope_base = 10000,
                                  .norm_eps = 1e-5};
  return config;
}

absl::StatusOr<ConvertedCodec> ConvertCodec(const std::string& codec_pth, std::string directory) {
  const std::string beside = FolderOf(codec_pth);
  if (directory.empty()) directory = beside;
  absl::StatusOr<TorchArchive> archive = TorchArchive::Open(codec_pth);
  if (!archive.ok()) return archive.status();
  absl::StatusOr<Sizes> sizes = FindSizes(directory, beside);
  if (!sizes.ok()) return sizes.status();
  std::vector<std::vector<float>> converted;
  absl::StatusOr<std::vector<NamedTensor>> tensors =
      SelectTensors(*archive, *sizes, codec_pth, &converted);
  if (!tensors.ok()) return tensors.status();

  absl::Status status =
      checkpoint::WriteSafetensors(absl::StrCat(directory, "/codec.safetensors"), *tensors, {});
  const bool sizes_are_there = sizes->from == absl::StrCat(directory, "/codec.json");
  if (status.ok() && !sizes_are_there) {
    status = checkpoint::WriteCodecConfig(directory, sizes->config);
  }
  if (status.ok()) status = UpdateFingerprint(directory);
  if (!status.ok()) return status;
  ConvertedCodec result{directory, sizes->from, static_cast<int64_t>(tensors->size()), 0};
  result.skipped = static_cast<int64_t>(archive->tensors().size()) - result.tensors;
  return result;
}

}  // namespace shoal::tools
