#include "common/checkpoint/model_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Only what has no default.
Json Least() {
  return Json::parse(R"({
    "model_type": "fish_qwen3_omni",
    "text_config": {"vocab_size": 1000, "n_layer": 3, "n_head": 4, "dim": 64,
                    "intermediate_size": 96, "max_seq_len": 512},
    "audio_decoder_config": {"num_codebooks": 5},
    "semantic_start_token_id": 700, "semantic_end_token_id": 763, "eos_token_id": 600,
    "pad_token_id": 601, "audio_pad_token_id": 602})");
}

ModelConfig Parse(const Json& json) {
  const auto config = ParseModelConfig(json.dump(), "config.json");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : ModelConfig();
}

std::string ErrorOf(const Json& json) {
  const auto config = ParseModelConfig(json.dump(), "dir/config.json");
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(ModelConfigTest, MissingTextKeysTakeTheirDefaults) {
  const ModelConfig config = Parse(Least());
  EXPECT_EQ(config.text.n_local_heads, 4);
  EXPECT_EQ(config.text.head_dim, 16);
  EXPECT_EQ(config.text.rope_base, 10000);
  EXPECT_EQ(config.text.norm_eps, 1e-5);
  EXPECT_EQ(config.n_semantic(), 64);
}

TEST(ModelConfigTest, MissingAudioKeysTakeTheTextsValues) {
  Json json = Least();
  json["text_config"].update(Json::parse(
      R"({"n_local_heads": 2, "head_dim": 24, "rope_base": 1000000, "norm_eps": 1e-6,
          "attention_qk_norm": true, "tie_word_embeddings": true, "attention_qkv_bias": true,
          "attention_o_bias": true})"));
  const ModelConfig config = Parse(json);
  EXPECT_EQ(config.audio.vocab_size, 1000);
  EXPECT_EQ(config.audio.n_layer, 3);
  EXPECT_EQ(config.audio.n_head, 4);
  EXPECT_EQ(config.audio.n_local_heads, 2);
  EXPECT_EQ(config.audio.head_dim, 24);
  EXPECT_EQ(config.audio.dim, 64);
  EXPECT_EQ(config.audio.intermediate_size, 96);
  EXPECT_EQ(config.audio.max_seq_len, 512);
  EXPECT_EQ(config.audio.rope_base, 1000000);
  EXPECT_EQ(config.audio.norm_eps, 1e-6);
  EXPECT_TRUE(config.audio.attention_qk_norm);
  EXPECT_TRUE(config.audio.attention_qkv_bias);
  EXPECT_TRUE(config.audio.attention_o_bias);
  EXPECT_TRUE(config.audio.tie_word_embeddings);
  EXPECT_EQ(config.text_dim, 64);
}

TEST(ModelConfigTest, AudioKeysCountWhereTheyArePresent) {
  Json json = Least();
  json["audio_decoder_config"].update(
      Json::parse(R"({"rope_base": 500, "norm_eps": 1e-3, "dim": 32, "n_head": 8,
                      "n_local_heads": 2, "head_dim": 6, "vocab_size": 64,
                      "attention_qk_norm": true, "text_dim": 64})"));
  const ModelConfig config = Parse(json);
  EXPECT_EQ(config.audio.rope_base, 500);
  EXPECT_EQ(config.audio.norm_eps, 1e-3);
  EXPECT_EQ(config.audio.dim, 32);
  EXPECT_EQ(config.audio.head_dim, 6);
  EXPECT_TRUE(config.audio.attention_qk_norm);
  EXPECT_FALSE(config.text.attention_qk_norm);
}

struct WrongField {
  const char* pointer;
  const char* value;
  const char* error;
};

class WrongModelConfigTest : public ::testing::TestWithParam<WrongField> {};

TEST_P(WrongModelConfigTest, IsRefusedByName) {
  Json json = Least();
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  EXPECT_THAT(ErrorOf(json), HasSubstr("dir/config.json"));
  EXPECT_THAT(ErrorOf(json), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WrongModelConfigTest,
    ::testing::Values(
        WrongField{"/model_type", "\"llama\"", "model_type"},
        WrongField{"/text_config", "[]", "text_config should be a JSON object"},
        WrongField{"/audio_decoder_config", "null", "audio_decoder_config"},
        WrongField{"/text_config/vocab_size", "0", "text_config.vocab_size"},
        WrongField{"/text_config/n_layer", "-1", "text_config.n_layer"},
        WrongField{"/text_config/n_layer", "1e3", "text_config.n_layer"},
        WrongField{"/text_config/n_head", "0", "text_config.n_head"},
        WrongField{"/text_config/dim", "9223372036854775807", "text_config.dim"},
        WrongField{"/text_config/intermediate_size", "null", "text_config.intermediate_size"},
        WrongField{"/text_config/max_seq_len", "\"512\"", "text_config.max_seq_len"},
        WrongField{"/text_config/n_local_heads", "3", "text_config.n_local_heads"},
        WrongField{"/text_config/head_dim", "15", "text_config.head_dim"},
        WrongField{"/text_config/rope_base", "0", "text_config.rope_base"},
        WrongField{"/text_config/norm_eps", "-1", "text_config.norm_eps"},
        WrongField{"/text_config/attention_qk_norm", "1", "text_config.attention_qk_norm"},
        WrongField{"/audio_decoder_config/num_codebooks", "0",
                   "audio_decoder_config.num_codebooks"},
        WrongField{"/audio_decoder_config/text_dim", "32", "audio_decoder_config.text_dim"},
        WrongField{"/audio_decoder_config/max_seq_len", "4", "audio_decoder_config.max_seq_len"},
        WrongField{"/audio_decoder_config/vocab_size", "63", "semantic_end_token_id"},
        WrongField{"/semantic_start_token_id", "764", "semantic_end_token_id"},
        WrongField{"/semantic_end_token_id", "1000", "semantic_end_token_id"},
        WrongField{"/eos_token_id", "700", "eos_token_id should be outside"},
        WrongField{"/eos_token_id", "1000", "eos_token_id"},
        WrongField{"/pad_token_id", "-1", "pad_token_id"},
        WrongField{"/audio_pad_token_id", "2000", "audio_pad_token_id"}));

TEST(ModelConfigTest, ReadsWhatItWrites) {
  const shoal::testing::TempDir folder;
  Json json = Least();
  json["audio_decoder_config"]["dim"] = 32;
  json["text_config"]["tie_word_embeddings"] = true;
  json["text_config"]["attention_o_bias"] = true;
  json["text_config"]["rope_base"] = 12345.5;
  const ModelConfig config = Parse(json);
  ASSERT_TRUE(WriteModelConfig(folder.path(), config).ok());
  const auto read = LoadModelConfig(folder.path());
  ASSERT_TRUE(read.ok()) << read.status();
  const shoal::testing::TempDir again;
  ASSERT_TRUE(WriteModelConfig(again.path(), *read).ok());
  EXPECT_EQ(again.Read("config.json"), folder.Read("config.json"));
  EXPECT_EQ(read->text.rope_base, 12345.5);
  EXPECT_EQ(read->audio.dim, 32);
  EXPECT_TRUE(read->text.attention_o_bias);
  EXPECT_EQ(read->num_codebooks, 5);
  EXPECT_EQ(read->audio_pad_token_id, 602);
}

TEST(ModelConfigTest, AMissingFileIsNamed) {
  EXPECT_THAT(std::string(LoadModelConfig("/nowhere").status().message()),
              HasSubstr("/nowhere/config.json"));
}

}  // namespace
}  // namespace shoal::checkpoint
