#include "tests/common/codec/random_codec.h"

#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "absl/status/status.h"
#include "common/checkpoint/expected_tensors.h"

namespace shoal::testing {
namespace {

void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

std::vector<int64_t> Factors(std::mt19937& random, int64_t count, int64_t largest) {
  std::vector<int64_t> factors;
  for (int64_t i = 0; i < count; ++i) factors.push_back(Between(random, 1, largest));
  return factors;
}

int64_t Product(const std::vector<int64_t>& factors) {
  int64_t product = 1;
  for (const int64_t factor : factors) product *= factor;
  return product;
}

checkpoint::CodecTransformerConfig RandomTransformer(std::mt19937& random, int64_t width) {
  checkpoint::CodecTransformerConfig config;
  config.dim = Between(random, 0, 1) == 0 ? width : Between(random, 3, 40);
  config.n_layer = Between(random, 1, 3);
  config.n_head = Between(random, 1, 3);
  config.head_dim = 2 * Between(random, 1, 12);
  config.intermediate_size = Between(random, 1, 50);
  config.window_size = Between(random, 0, 3) == 0 ? 1 : Between(random, 2, 12);
  config.rope_base = 10000;
  config.norm_eps = 1e-5;
  return config;
}

// Spread of a tensor's random values, and what they are spread around.
struct Spread {
  double middle;
  double width;
};

Spread SpreadOf(const checkpoint::ExpectedTensor& tensor) {
  using Role = checkpoint::TensorRole;
  switch (tensor.role) {
    case Role::kEmbedding:
    case Role::kCodebook:
    case Role::kNormDirection:
      return {0, 1};
    case Role::kProjection: {
      double inputs = 1;
      for (size_t axis = 1; axis < tensor.shape.size(); ++axis) inputs *= tensor.shape[axis];
      return {0, 1 / std::sqrt(inputs)};
    }
    case Role::kBias:
      return {0, 0.05};
    case Role::kNorm:
      return {1, 0.1};
    case Role::kNormGain:
      return {0.6, 0.1};
    case Role::kLayerScale:
      return {0.3, 0.1};
    case Role::kAlpha:
      return {1, 0.2};
  }
  throw std::runtime_error("a tensor of unknown role");
}

checkpoint::TensorView View(const at::Tensor& tensor, checkpoint::DType dtype) {
  return {dtype,
          tensor.sizes().vec(),
          {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "shoal-codec-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int64_t Between(std::mt19937& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

checkpoint::CodecConfig RandomCodecConfig(std::mt19937& random) {
  checkpoint::CodecConfig config;
  config.sample_rate = 16000;
  const int64_t rates = Between(random, 1, 3);
  config.encoder_dim = Between(random, 1, 10);
  config.encoder_rates = Factors(random, rates, 5);
  config.decoder_rates = config.encoder_rates;
  std::shuffle(config.decoder_rates.begin(), config.decoder_rates.end(), random);
  config.decoder_dim = Between(random, 1, 5) << rates;
  config.latent_dim = Between(random, 2, 40);
  config.hop_length = Product(config.encoder_rates);

  checkpoint::QuantizerConfig& quantizer = config.quantizer;
  quantizer.input_dim = config.latent_dim;
  quantizer.downsample_factor = Factors(random, Between(random, 1, 3), 3);
  quantizer.codebook_dim = Between(random, 2, 9);
  quantizer.semantic_codebook_size = Between(random, 2, 60);
  quantizer.residual_codebook_size = Between(random, 2, 30);
  quantizer.n_residual_codebooks = Between(random, 1, 5);
  config.frame_length = config.hop_length * Product(quantizer.downsample_factor);
  config.quantizer_transformer = RandomTransformer(random, config.latent_dim);
  if (Between(random, 0, 1) == 0) {
    const int64_t block = Between(random, 1, rates);
    config.encoder_transformer = checkpoint::EncoderTransformer{
        block, RandomTransformer(random, config.encoder_channels(block))};
  }
  return config;
}

checkpoint::CodecConfig DefaultSizedCodecConfig() {
  checkpoint::CodecConfig config;
  config.sample_rate = 16000;
  config.encoder_dim = 16;
  config.encoder_rates = {4, 5, 8};
  config.decoder_dim = 256;
  config.decoder_rates = {5, 4, 8};
  config.latent_dim = 192;
  config.hop_length = 160;
  config.frame_length = 640;
  checkpoint::QuantizerConfig& quantizer = config.quantizer;
  quantizer.input_dim = config.latent_dim;
  quantizer.downsample_factor = {2, 2};
  quantizer.codebook_dim = 8;
  quantizer.semantic_codebook_size = 512;
  quantizer.residual_codebook_size = 512;
  quantizer.n_residual_codebooks = 7;
  checkpoint::CodecTransformerConfig& transformer = config.quantizer_transformer;
  transformer.dim = config.latent_dim;
  transformer.n_layer = 4;
  transformer.n_head = 3;
  transformer.head_dim = 64;
  transformer.intermediate_size = 512;
  transformer.window_size = 128;
  transformer.rope_base = 10000;
  transformer.norm_eps = 1e-5;
  checkpoint::CodecTransformerConfig top = transformer;
  top.dim = config.encoder_channels(3);
  top.n_layer = 2;
  top.n_head = 2;
  top.intermediate_size = 256;
  top.window_size = 64;
  config.encoder_transformer = checkpoint::EncoderTransformer{3, top};
  return config;
}

checkpoint::CodecConfig S2ProCodecConfig() {
  checkpoint::CodecConfig config;
  config.sample_rate = 44100;
  config.encoder_dim = 64;
  config.encoder_rates = {2, 4, 8, 8};
  config.decoder_dim = 1536;
  config.decoder_rates = {8, 8, 4, 2};
  config.latent_dim = 1024;
  config.hop_length = 512;
  config.frame_length = 2048;
  checkpoint::QuantizerConfig& quantizer = config.quantizer;
  quantizer.input_dim = config.latent_dim;
  quantizer.downsample_factor = {2, 2};
  quantizer.codebook_dim = 8;
  quantizer.semantic_codebook_size = 4096;
  quantizer.residual_codebook_size = 1024;
  quantizer.n_residual_codebooks = 9;
  checkpoint::CodecTransformerConfig& transformer = config.quantizer_transformer;
  transformer.dim = config.latent_dim;
  transformer.n_layer = 8;
  transformer.n_head = 16;
  transformer.head_dim = 64;
  transformer.intermediate_size = 3072;
  transformer.window_size = 128;
  transformer.rope_base = 10000;
  transformer.norm_eps = 1e-5;
  checkpoint::CodecTransformerConfig top = transformer;
  top.n_layer = 4;
  top.window_size = 512;
  config.encoder_transformer = checkpoint::EncoderTransformer{4, top};
  return config;
}

void WriteRandomCodec(const std::string& folder, const checkpoint::CodecConfig& config,
                      uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> values;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const checkpoint::ExpectedTensor& tensor : checkpoint::CodecTensors(config)) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    const Spread spread = SpreadOf(tensor);
    values.emplace_back(elements);
    for (float& value : values.back()) {
      value = static_cast<float>(spread.middle + spread.width * normal(random));
    }
    const absl::Span<const float> row = values.back();
    tensors.push_back({tensor.name,
                       {checkpoint::DType::kF32,
                        tensor.shape,
                        {reinterpret_cast<const std::byte*>(row.data()), 4 * row.size()}}});
  }
  Require(checkpoint::WriteCodecConfig(folder, config));
  Require(checkpoint::WriteSafetensors(folder + "/codec.safetensors", tensors, {}));
}

checkpoint::Checkpoint RandomCodec(const checkpoint::CodecConfig& config, uint32_t seed) {
  const TemporaryFolder folder;  // mapped files outlive their names
  WriteRandomCodec(folder.path(), config, seed);
  absl::StatusOr<checkpoint::Checkpoint> opened =
      checkpoint::Checkpoint::Open(folder.path(), {.transformer = false, .codec = true});
  Require(opened.status());
  return *std::move(opened);
}

checkpoint::TensorStore StoreOf(const std::map<std::string, at::Tensor>& weights) {
  const TemporaryFolder folder;
  std::vector<at::Tensor> kept;
  std::vector<checkpoint::NamedTensor> tensors;
  for (const auto& [name, weight] : weights) {
    kept.push_back(weight.to(at::kDouble).contiguous());
    tensors.push_back({name, View(kept.back(), checkpoint::DType::kF64)});
  }
  Require(checkpoint::WriteSafetensors(folder.path() + "/codec.safetensors", tensors, {}));
  absl::StatusOr<checkpoint::TensorStore> store =
      checkpoint::TensorStore::Open(folder.path(), "codec");
  Require(store.status());
  return *std::move(store);
}

}  // namespace shoal::testing
