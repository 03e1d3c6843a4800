#include "common/checkpoint/model_config.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/json_reader.h"

namespace shoal::checkpoint {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;
constexpr char kModelType[] = "fish_qwen3_omni";

// Bounds far above any model there is, low enough that no product of three sizes overflows.
constexpr int64_t kMaxVocabulary = 1 << 24;
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kMaxHeadDim = 4096;
constexpr int64_t kMaxDim = 1 << 17;
constexpr int64_t kMaxSeqLen = 1 << 24;
constexpr int64_t kMaxCodebooks = 256;

// Reads one of the two objects. A key that is missing takes the value of `missing`; without one it
// takes its own default, and where it has none it is an error.
TransformerConfig ReadTransformer(FieldReader fields, const TransformerConfig* missing) {
  const auto or_else = [&](int64_t TransformerConfig::*field) {
    return missing != nullptr ? std::optional<int64_t>(missing->*field) : std::nullopt;
  };
  using T = TransformerConfig;
  T config;
  config.vocab_size = fields.Int("vocab_size", 1, kMaxVocabulary, or_else(&T::vocab_size));
  config.n_layer = fields.Int("n_layer", 1, kMaxLayers, or_else(&T::n_layer));
  config.n_head = fields.Int("n_head", 1, kMaxHeads, or_else(&T::n_head));
  config.dim = fields.Int("dim", 1, kMaxDim, or_else(&T::dim));
  config.intermediate_size =
      fields.Int("intermediate_size", 1, kMaxDim, or_else(&T::intermediate_size));
  config.max_seq_len = fields.Int("max_seq_len", 1, kMaxSeqLen, or_else(&T::max_seq_len));

  const int64_t even_heads = config.n_head > 0 ? config.dim / config.n_head : 0;
  config.n_local_heads =
      fields.Int("n_local_heads", 1, kMaxHeads, missing ? missing->n_local_heads : config.n_head);
  config.head_dim =
      fields.Int("head_dim", 2, kMaxHeadDim, missing ? missing->head_dim : even_heads);
  config.rope_base = fields.Number("rope_base", 1, 1e12, missing ? missing->rope_base : 10000);
  config.norm_eps = fields.Number("norm_eps", 1e-20, 1, missing ? missing->norm_eps : 1e-5);

  const T defaults;
  const T& flags = missing != nullptr ? *missing : defaults;
  config.attention_qk_norm = fields.Bool("attention_qk_norm", flags.attention_qk_norm);
  config.attention_qkv_bias = fields.Bool("attention_qkv_bias", flags.attention_qkv_bias);
  config.attention_o_bias = fields.Bool("attention_o_bias", flags.attention_o_bias);
  config.tie_word_embeddings = fields.Bool("tie_word_embeddings", flags.tie_word_embeddings);

  if (config.n_local_heads > 0 && config.n_head % config.n_local_heads != 0) {
    fields.Fail("n_local_heads", absl::StrCat("a divisor of n_head ", config.n_head, ", not ",
                                              config.n_local_heads));
  }
  if (config.head_dim % 2 != 0) {
    fields.Fail("head_dim", absl::StrCat("even, not ", config.head_dim));
  }
  return config;
}

using Json = nlohmann::ordered_json;

Json ToJson(const char* type, const TransformerConfig& config) {
  return {{"model_type", type},
          {"vocab_size", config.vocab_size},
          {"n_layer", config.n_layer},
          {"n_head", config.n_head},
          {"n_local_heads", config.n_local_heads},
          {"head_dim", config.head_dim},
          {"dim", config.dim},
          {"intermediate_size", config.intermediate_size},
          {"rope_base", config.rope_base},
          {"norm_eps", config.norm_eps},
          {"max_seq_len", config.max_seq_len},
          {"attention_qk_norm", config.attention_qk_norm},
          {"attention_qkv_bias", config.attention_qkv_bias},
          {"attention_o_bias", config.attention_o_bias},
          {"tie_word_embeddings", config.tie_word_embeddings}};
}

Json ToJson(const ModelConfig& config) {
  Json audio = ToJson("fish_qwen3_audio_decoder", config.audio);
  audio["num_codebooks"] = config.num_codebooks;
  audio["text_dim"] = config.text_dim;
  return {{"architectures", Json::array({"FishQwen3OmniForCausalLM"})},
          {"model_type", kModelType},
          {"dtype", "bfloat16"},
          {"text_config", ToJson("fish_qwen3", config.text)},
          {"audio_decoder_config", audio},
          {"semantic_start_token_id", config.semantic_start},
          {"semantic_end_token_id", config.semantic_end},
          {"eos_token_id", config.eos_token_id},
          {"pad_token_id", config.pad_token_id},
          {"audio_pad_token_id", config.audio_pad_token_id}};
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text, const std::string& path) {
  absl::StatusOr<nlohmann::json> json = ParseJson(text, path);
  if (!json.ok()) return json.status();
  absl::Status status;
  FieldReader fields(&*json, path, "", &status);
  if (!status.ok()) return status;
  if (!json->contains("model_type") || (*json)["model_type"] != kModelType) {
    fields.Fail("model_type", absl::StrCat("\"", kModelType, "\""));
  }
  FieldReader text_fields = fields.Object("text_config");
  ModelConfig config;
  config.text = ReadTransformer(text_fields, nullptr);
  FieldReader audio_fields = fields.Object("audio_decoder_config");
  config.audio = ReadTransformer(audio_fields, &config.text);
  config.num_codebooks = audio_fields.Int("num_codebooks", 1, kMaxCodebooks);
  config.text_dim = audio_fields.Int("text_dim", 1, kMaxDim, config.text.dim);
  if (config.text_dim != config.text.dim) {
    audio_fields.Fail("text_dim",
                      absl::StrCat("text_config.dim ", config.text.dim, ", not ", config.text_dim));
  }
  if (config.audio.max_seq_len < config.num_codebooks) {
    audio_fields.Fail("max_seq_len", absl::StrCat("at least num_codebooks ", config.num_codebooks));
  }
  const int64_t last_id = config.text.vocab_size - 1;
  config.semantic_start = fields.Int("semantic_start_token_id", 0, last_id);
  config.semantic_end = fields.Int("semantic_end_token_id", config.semantic_start, last_id);
  config.eos_token_id = fields.Int("eos_token_id", 0, last_id);
  config.pad_token_id = fields.Int("pad_token_id", 0, last_id);
  config.audio_pad_token_id = fields.Int("audio_pad_token_id", 0, last_id);
  if (config.eos_token_id >= config.semantic_start && config.eos_token_id <= config.semantic_end) {
    fields.Fail("eos_token_id", absl::StrCat("outside the semantic tokens ", config.semantic_start,
                                             " to ", config.semantic_end));
  }
  // A semantic code is looked up in the first codebook's share of the embeddings.
  if (config.n_semantic() > config.audio.vocab_size) {
    fields.Fail(
        "semantic_end_token_id",
        absl::StrCat("at most semantic_start_token_id + audio_decoder_config.vocab_size - 1", " = ",
                     config.semantic_start + config.audio.vocab_size - 1));
  }
  if (!status.ok()) return status;
  return config;
}

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/config.json");
  absl::StatusOr<std::string> text = ReadTextFile(path, kMaxConfigBytes);
  if (!text.ok()) return text.status();
  return ParseModelConfig(*text, path);
}

absl::Status CheckModelConfig(const ModelConfig& config, const std::string& path) {
  return ParseModelConfig(ToJson(config).dump(), path).status();
}

absl::Status WriteModelConfig(const std::string& directory, const ModelConfig& config) {
  return WriteFile(absl::StrCat(directory, "/config.json"), ToJson(config).dump(2) + "\n");
}

}  // namespace shoal::checkpoint
