#include "common/checkpoint/codec_config.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "common/checkpoint/json_reader.h"

namespace shoal::checkpoint {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;

// Bounds far above any codec there is, low enough that products of sizes cannot overflow.
constexpr size_t kMaxRates = 8;
constexpr int64_t kMaxRate = 64;
constexpr int64_t kMaxDim = 1 << 16;
constexpr int64_t kMaxHop = 1 << 20;
constexpr int64_t kMaxEntries = 1 << 20;
constexpr int64_t kMaxCodebooks = 256;

int64_t Product(absl::Span<const int64_t> factors) {
  int64_t product = 1;  // at most 64^8 = 2^48
  for (const int64_t factor : factors) product *= factor;
  return product;
}

CodecTransformerConfig ReadTransformer(FieldReader& fields) {
  CodecTransformerConfig config;
  config.dim = fields.Int("dim", 1, kMaxDim);
  config.n_layer = fields.Int("n_layer", 1, 256);
  config.n_head = fields.Int("n_head", 1, 1024);
  config.head_dim = fields.Int("head_dim", 2, 4096);
  config.intermediate_size = fields.Int("intermediate_size", 1, kMaxDim);
  config.window_size = fields.Int("window_size", 1, 1 << 20);
  config.rope_base = fields.Number("rope_base", 1, 1e12);
  config.norm_eps = fields.Number("norm_eps", 1e-20, 1);
  if (config.head_dim % 2 != 0) {
    fields.Fail("head_dim", absl::StrCat("even, not ", config.head_dim));
  }
  return config;
}

QuantizerConfig ReadQuantizer(FieldReader fields) {
  QuantizerConfig config;
  config.input_dim = fields.Int("input_dim", 1, kMaxDim);
  config.downsample_factor = fields.Ints("downsample_factor", kMaxRates, 1, kMaxRate);
  config.codebook_dim = fields.Int("codebook_dim", 1, kMaxDim);
  config.semantic_codebook_size = fields.Int("semantic_codebook_size", 1, kMaxEntries);
  config.residual_codebook_size = fields.Int("residual_codebook_size", 1, kMaxEntries);
  config.n_residual_codebooks = fields.Int("n_residual_codebooks", 0, kMaxCodebooks - 1);
  return config;
}

// How the sizes must agree. REQUIRES: each is in its own range.
void CheckAgreement(const CodecConfig& config, FieldReader& fields) {
  const auto equal = [&](const char* key, int64_t value, int64_t expected, const char* what) {
    if (value != expected) fields.Fail(key, absl::StrCat(what, " ", expected, ", not ", value));
  };
  equal("hop_length", config.hop_length, Product(config.encoder_rates),
        "the product of encoder_rates");
  if (Product(config.decoder_rates) != config.hop_length) {
    fields.Fail("decoder_rates", absl::StrCat("factors of hop_length ", config.hop_length,
                                              ", but multiply to ", Product(config.decoder_rates)));
  }
  equal("frame_length", config.frame_length,
        config.hop_length * Product(config.quantizer.downsample_factor),
        "hop_length times the product of quantizer.downsample_factor,");
  equal("quantizer.input_dim", config.quantizer.input_dim, config.latent_dim, "latent_dim");
  const int64_t halvings = int64_t{1} << config.decoder_rates.size();
  if (config.decoder_dim % halvings != 0) {
    fields.Fail("decoder_dim", absl::StrCat("a multiple of ", halvings,
                                            ", as it halves with each of decoder_rates, not ",
                                            config.decoder_dim));
  }
  const int64_t blocks = static_cast<int64_t>(config.encoder_rates.size());
  if (config.encoder_transformer && config.encoder_transformer->block > blocks) {
    fields.Fail("encoder_transformer.block",
                absl::StrCat("one of the ", blocks, " encoder blocks, not ",
                             config.encoder_transformer->block));
  }
}

nlohmann::ordered_json TransformerJson(const CodecTransformerConfig& config) {
  return {{"n_layer", config.n_layer},
          {"n_head", config.n_head},
          {"head_dim", config.head_dim},
          {"dim", config.dim},
          {"intermediate_size", config.intermediate_size},
          {"window_size", config.window_size},
          {"rope_base", config.rope_base},
          {"norm_eps", config.norm_eps}};
}

nlohmann::ordered_json ToJson(const CodecConfig& config) {
  nlohmann::ordered_json json{
      {"sample_rate", config.sample_rate},     {"encoder_dim", config.encoder_dim},
      {"encoder_rates", config.encoder_rates}, {"latent_dim", config.latent_dim},
      {"decoder_dim", config.decoder_dim},     {"decoder_rates", config.decoder_rates},
      {"hop_length", config.hop_length},       {"frame_length", config.frame_length}};
  if (config.encoder_transformer) {
    json["encoder_transformer"] = TransformerJson(config.encoder_transformer->transformer);
    json["encoder_transformer"]["block"] = config.encoder_transformer->block;
  }
  json["quantizer"] = {{"input_dim", config.quantizer.input_dim},
                       {"downsample_factor", config.quantizer.downsample_factor},
                       {"codebook_dim", config.quantizer.codebook_dim},
                       {"semantic_codebook_size", config.quantizer.semantic_codebook_size},
                       {"residual_codebook_size", config.quantizer.residual_codebook_size},
                       {"n_residual_codebooks", config.quantizer.n_residual_codebooks}};
  json["quantizer_transformer"] = TransformerJson(config.quantizer_transformer);
  return json;
}

}  // namespace

absl::StatusOr<CodecConfig> ParseCodecConfig(absl::string_view text, const std::string& path) {
  absl::StatusOr<nlohmann::json> json = ParseJson(text, path);
  if (!json.ok()) return json.status();
  absl::Status status;
  FieldReader fields(&*json, path, "", &status);
  CodecConfig config;
  config.sample_rate = fields.Int("sample_rate", 1000, 768000);
  config.encoder_dim = fields.Int("encoder_dim", 1, kMaxDim);
  config.encoder_rates = fields.Ints("encoder_rates", kMaxRates, 1, kMaxRate);
  config.latent_dim = fields.Int("latent_dim", 1, kMaxDim);
  config.decoder_dim = fields.Int("decoder_dim", 1, kMaxDim);
  config.decoder_rates = fields.Ints("decoder_rates", kMaxRates, 1, kMaxRate);
  config.hop_length = fields.Int("hop_length", 1, kMaxHop);
  config.frame_length = fields.Int("frame_length", 1, kMaxHop);
  if (fields.Has("encoder_transformer")) {
    FieldReader inner = fields.Object("encoder_transformer");
    EncoderTransformer encoder;
    encoder.block = inner.Int("block", 1, kMaxRates);
    encoder.transformer = ReadTransformer(inner);
    config.encoder_transformer = encoder;
  }
  config.quantizer = ReadQuantizer(fields.Object("quantizer"));
  FieldReader inner = fields.Object("quantizer_transformer");
  config.quantizer_transformer = ReadTransformer(inner);
  if (status.ok()) CheckAgreement(config, fields);
  if (!status.ok()) return status;
  return config;
}

absl::Status CheckCodecConfig(const CodecConfig& config, const std::string& path) {
  return ParseCodecConfig(ToJson(config).dump(), path).status();
}

absl::StatusOr<CodecConfig> LoadCodecConfig(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/codec.json");
  absl::StatusOr<std::string> text = ReadTextFile(path, kMaxConfigBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(
        absl::StrCat(path, " is missing: run `shoal-checkpoint convert-codec ", directory,
                     "/codec.pth` to make it and codec.safetensors"));
  }
  if (!text.ok()) return text.status();
  return ParseCodecConfig(*text, path);
}

absl::Status WriteCodecConfig(const std::string& directory, const CodecConfig& config) {
  return WriteFile(absl::StrCat(directory, "/codec.json"), ToJson(config).dump(2) + "\n");
}

}  // namespace shoal::checkpoint
