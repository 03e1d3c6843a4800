#include "common/checkpoint/codec_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Small() {
  const Json transformer = Json::parse(
      R"({"n_layer": 2, "n_head": 2, "head_dim": 8, "dim": 24, "intermediate_size": 48,
          "window_size": 6, "rope_base": 10000, "norm_eps": 1e-5})");
  Json json = Json::parse(
      R"({"sample_rate": 16000, "encoder_dim": 4, "encoder_rates": [3, 5], "latent_dim": 16,
          "decoder_dim": 12, "decoder_rates": [5, 3], "hop_length": 15, "frame_length": 60,
          "quantizer": {"input_dim": 16, "downsample_factor": [2, 2], "codebook_dim": 8,
                        "semantic_codebook_size": 32, "residual_codebook_size": 16,
                        "n_residual_codebooks": 3}})");
  json["quantizer_transformer"] = transformer;
  json["encoder_transformer"] = transformer;
  json["encoder_transformer"]["block"] = 2;
  return json;
}

std::string ErrorOf(const Json& json) {
  const auto config = ParseCodecConfig(json.dump(), "dir/codec.json");
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(CodecConfigTest, ReadsEveryKey) {
  const auto config = ParseCodecConfig(Small().dump(), "codec.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sample_rate, 16000);
  EXPECT_THAT(config->encoder_rates, ElementsAre(3, 5));
  EXPECT_THAT(config->decoder_rates, ElementsAre(5, 3));
  EXPECT_EQ(config->num_codebooks(), 4);
  EXPECT_EQ(config->encoder_channels(2), 16);
  ASSERT_TRUE(config->encoder_transformer.has_value());
  EXPECT_EQ(config->encoder_transformer->block, 2);
  EXPECT_EQ(config->encoder_transformer->transformer.window_size, 6);
  EXPECT_EQ(config->quantizer_transformer.dim, 24);
  EXPECT_EQ(config->quantizer.semantic_codebook_size, 32);
}

TEST(CodecConfigTest, TheEncoderNeedsNoTransformer) {
  Json json = Small();
  json.erase("encoder_transformer");
  const auto config = ParseCodecConfig(json.dump(), "codec.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->encoder_transformer.has_value());
}

struct WrongField {
  const char* pointer;
  const char* value;
  const char* error;
};

class WrongCodecConfigTest : public ::testing::TestWithParam<WrongField> {};

TEST_P(WrongCodecConfigTest, IsRefusedByName) {
  Json json = Small();
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  EXPECT_THAT(ErrorOf(json), AllOf(HasSubstr("dir/codec.json"), HasSubstr(GetParam().error)));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WrongCodecConfigTest,
    ::testing::Values(
        WrongField{"/sample_rate", "0", "sample_rate"},
        WrongField{"/encoder_dim", "-4", "encoder_dim"},
        WrongField{"/encoder_rates", "[]", "encoder_rates"},
        WrongField{"/encoder_rates", "[2, 5]", "hop_length should be the product of encoder_rates"},
        WrongField{"/decoder_rates", "[5, 4]", "decoder_rates should be factors of hop_length 15"},
        WrongField{"/decoder_rates", "[15, 0]", "decoder_rates"},
        WrongField{"/hop_length", "16", "hop_length should be the product of encoder_rates 15"},
        WrongField{"/frame_length", "30", "frame_length should be hop_length times"},
        WrongField{"/decoder_dim", "14", "decoder_dim should be a multiple of 4"},
        WrongField{"/latent_dim", "8", "quantizer.input_dim should be latent_dim 8"},
        WrongField{"/encoder_transformer/block", "3", "encoder_transformer.block"},
        WrongField{"/encoder_transformer/head_dim", "7", "encoder_transformer.head_dim"},
        WrongField{"/quantizer", "1", "quantizer should be a JSON object"},
        WrongField{"/quantizer/downsample_factor", "[2]", "frame_length"},
        WrongField{"/quantizer/codebook_dim", "0", "quantizer.codebook_dim"},
        WrongField{"/quantizer/semantic_codebook_size", "1.5", "quantizer.semantic_codebook_size"},
        WrongField{"/quantizer/n_residual_codebooks", "-1", "quantizer.n_residual_codebooks"},
        WrongField{"/quantizer_transformer", "null", "quantizer_transformer"},
        WrongField{"/quantizer_transformer/window_size", "0", "quantizer_transformer.window_size"},
        WrongField{"/quantizer_transformer/rope_base", "\"x\"",
                   "quantizer_transformer.rope_base"}));

TEST(CodecConfigTest, ReadsWhatItWrites) {
  for (const bool encoder_transformer : {true, false}) {
    Json json = Small();
    if (!encoder_transformer) json.erase("encoder_transformer");
    const auto config = ParseCodecConfig(json.dump(), "codec.json");
    ASSERT_TRUE(config.ok()) << config.status();
    const shoal::testing::TempDir folder;
    ASSERT_TRUE(WriteCodecConfig(folder.path(), *config).ok());
    EXPECT_EQ(Json::parse(folder.Read("codec.json")), json);
  }
}

TEST(CodecConfigTest, AMissingFileSaysWhatMakesIt) {
  const shoal::testing::TempDir folder;
  const auto config = LoadCodecConfig(folder.path());
  EXPECT_EQ(config.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(
      std::string(config.status().message()),
      AllOf(HasSubstr(folder.File("codec.json")), HasSubstr("shoal-checkpoint convert-codec")));
}

TEST(CodecConfigTest, ChecksSizesMadeElsewhere) {
  const auto config = ParseCodecConfig(Small().dump(), "codec.json");
  ASSERT_TRUE(config.ok());
  CodecConfig changed = *config;
  EXPECT_TRUE(CheckCodecConfig(changed, "x").ok());
  changed.frame_length = 1;
  EXPECT_THAT(std::string(CheckCodecConfig(changed, "x").message()), HasSubstr("frame_length"));
}

}  // namespace
}  // namespace shoal::checkpoint
