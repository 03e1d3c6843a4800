#include "common/checkpoint/generation_config.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;
using Ras = GenerationConfig::RepetitionAwareSampling;

constexpr char kAll[] = R"({
    "temperature": 0.7, "top_p": 0.9, "top_k": 12, "repetition_penalty": 1.25,
    "shoal": {"max_frames": 1024, "residual_sampling": "greedy", "filter_order": "full_softmax",
              "ras": {"rule": "window", "window": 5, "temperature": 1.5, "top_p": 0.95}}})";

std::string ErrorOf(const std::string& text) {
  const auto config = ParseGenerationConfig(text, "dir/generation_config.json");
  return config.ok() ? "no error" : std::string(config.status().message());
}

TEST(GenerationConfigTest, AFileMaySayEverything) {
  const auto config = ParseGenerationConfig(kAll, "generation_config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->temperature, 0.7f);
  EXPECT_EQ(config->top_p, 0.9f);
  EXPECT_EQ(config->top_k, 12);
  EXPECT_EQ(config->repetition_penalty, 1.25f);
  EXPECT_EQ(config->max_frames, 1024);
  EXPECT_EQ(config->residual_sampling, GenerationConfig::ResidualSampling::kGreedy);
  EXPECT_EQ(config->filter_order, GenerationConfig::FilterOrder::kFullSoftmax);
  EXPECT_EQ(config->ras.rule, Ras::Rule::kWindow);
  EXPECT_EQ(config->ras.window, 5);
  EXPECT_EQ(config->ras.temperature, 1.5f);
  EXPECT_EQ(config->ras.top_p, 0.95f);
  EXPECT_EQ(ToString(*config),
            "temperature 0.7, top_p 0.9, top_k 12, repetition_penalty 1.25, max_frames 1024, "
            "residual_sampling greedy, filter_order full_softmax, ras.rule window, ras.window 5, "
            "ras.temperature 1.5, ras.top_p 0.95");
}

TEST(GenerationConfigTest, AFileMaySayNothing) {
  for (const char* text : {"{}", R"({"shoal": {}})", R"({"shoal": null, "top_k": null})",
                           R"({"shoal": {"ras": {}}})"}) {
    const auto config = ParseGenerationConfig(text, "generation_config.json");
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(ToString(*config), "") << text;
  }
}

TEST(GenerationConfigTest, KeysOfOtherProgramsArePassedOver) {
  const auto config = ParseGenerationConfig(
      R"({"do_sample": "?", "eos_token_id": [1, 2], "transformers_version": "4.51.0",
          "max_new_tokens": -1, "_from_model_config": true, "temperature": 1})",
      "generation_config.json");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(ToString(*config), "temperature 1");
}

TEST(GenerationConfigTest, EveryBoundIsInRange) {
  const auto low = ParseGenerationConfig(
      R"({"temperature": 0, "top_p": 1e-45, "top_k": 0, "repetition_penalty": 0.1,
          "shoal": {"max_frames": 1, "residual_sampling": "sampled", "filter_order": "top_k_first",
                    "ras": {"rule": "off", "window": 1, "temperature": 1e-30, "top_p": 1e-30}}})",
      "generation_config.json");
  ASSERT_TRUE(low.ok()) << low.status();
  EXPECT_EQ(low->repetition_penalty, 0.1f);
  EXPECT_GT(*low->top_p, 0);
  EXPECT_EQ(low->ras.rule, Ras::Rule::kOff);
  const auto high = ParseGenerationConfig(
      R"({"temperature": 10, "top_p": 1, "top_k": 4294967295, "repetition_penalty": 10.0,
          "shoal": {"max_frames": 2147483647,
                    "ras": {"rule": "authors", "window": 64, "temperature": 10, "top_p": 1}}})",
      "generation_config.json");
  ASSERT_TRUE(high.ok()) << high.status();
  EXPECT_EQ(high->top_k, 4294967295);
  EXPECT_EQ(high->ras.rule, Ras::Rule::kAuthors);
}

struct WrongField {
  const char* pointer;
  const char* value;
  const char* named;  // field and what was expected
  const char* found = "";
};

class WrongGenerationConfigTest : public ::testing::TestWithParam<WrongField> {};

TEST_P(WrongGenerationConfigTest, IsRefusedByName) {
  Json json = Json::parse(kAll);
  json[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  EXPECT_THAT(ErrorOf(json.dump()),
              AllOf(StartsWith("dir/generation_config.json: "), HasSubstr(GetParam().named),
                    HasSubstr(GetParam().found)));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, WrongGenerationConfigTest,
    ::testing::Values(
        WrongField{"/temperature", "-0.1", "temperature should be a number from 0 to 10", "-0.1"},
        WrongField{"/temperature", "10.5", "temperature should be", "not 10.5"},
        WrongField{"/temperature", "\"0.8\"", "temperature should be", "not \"0.8\""},
        WrongField{"/temperature", "1e300", "temperature should be", "not 1e+300"},
        WrongField{"/temperature", "\"NaN\"", "temperature should be", "NaN"},
        WrongField{"/top_p", "0", "top_p should be a number above 0, to 1", "not 0"},
        WrongField{"/top_p", "1e-300", "top_p should be a number above 0, to 1"},
        WrongField{"/top_p", "1.01", "top_p should be", "not 1.01"},
        WrongField{"/top_p", "[0.8]", "top_p should be"},
        WrongField{"/top_k", "-1", "top_k should be a whole number from 0 to 4294967295", "not -1"},
        WrongField{"/top_k", "30.0", "top_k should be a whole number", "not 30.0"},
        WrongField{"/top_k", "18446744073709551615", "top_k should be"},
        WrongField{"/top_k", "true", "top_k should be", "not true"},
        WrongField{"/repetition_penalty", "0.05", "repetition_penalty should be a number from 0.1"},
        WrongField{"/repetition_penalty", "10.1", "repetition_penalty should be", "not 10.1"},
        WrongField{"/shoal", "[]", "shoal should be a JSON object"},
        WrongField{"/shoal", "\"greedy\"", "shoal should be a JSON object"},
        WrongField{"/shoal/max_frames", "0", "shoal.max_frames should be a whole number from 1 to"},
        WrongField{"/shoal/max_frames", "2147483648", "shoal.max_frames should be"},
        WrongField{"/shoal/residual_sampling", "\"cold\"",
                   R"(shoal.residual_sampling should be one of "sampled", "greedy")", "\"cold\""},
        WrongField{"/shoal/residual_sampling", "1", "shoal.residual_sampling should be", "not 1"},
        WrongField{"/shoal/filter_order", "\"Top_K_First\"",
                   R"(shoal.filter_order should be one of "top_k_first", "full_softmax")"},
        WrongField{"/shoal/ras", "\"off\"", "shoal.ras should be a JSON object"},
        WrongField{"/shoal/ras/rule", "false",
                   R"(shoal.ras.rule should be one of "off", "authors")"},
        WrongField{"/shoal/ras/window", "65", "shoal.ras.window should be a whole number from 1"},
        WrongField{"/shoal/ras/window", "0", "shoal.ras.window should be", "to 64, not 0"},
        WrongField{"/shoal/ras/temperature", "0", "shoal.ras.temperature should be a number above"},
        WrongField{"/shoal/ras/temperature", "11", "shoal.ras.temperature should be", "not 11"},
        WrongField{"/shoal/ras/top_p", "-1", "shoal.ras.top_p should be", "not -1"},
        WrongField{"/shoal/temperature", "0.5",
                   R"(shoal has the key "temperature", which is unknown)",
                   "expected one of max_frames, residual_sampling, filter_order, ras"},
        WrongField{"/shoal/ras/topp", "0.5", R"(shoal.ras has the key "topp", which is unknown)",
                   "expected one of rule, window, temperature, top_p"}));

TEST(GenerationConfigTest, WhatIsNoObjectIsRefused) {
  for (const char* text :
       {"", "[]", "null", "0.8", "{\"temperature\": NaN}", "{\"temperature\": Infinity}",
        "{\"temperature\": 1e999}", "{\"temperature\": 1, \"temperature\": 2}"}) {
    EXPECT_THAT(ErrorOf(text), StartsWith("dir/generation_config.json: ")) << text;
  }
}

TEST(GenerationConfigTest, AMissingFileSaysNothingAWrongOneIsAnError) {
  const shoal::testing::TempDir folder;
  const auto none = LoadGenerationConfig(folder.path());
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(ToString(*none), "");
  folder.Write("generation_config.json", kAll);
  EXPECT_EQ(LoadGenerationConfig(folder.path())->top_k, 12);
  folder.Write("generation_config.json", "{");
  EXPECT_THAT(std::string(LoadGenerationConfig(folder.path()).status().message()),
              HasSubstr(folder.path() + "/generation_config.json"));
  folder.Write("generation_config.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(std::string(LoadGenerationConfig(folder.path()).status().message()),
              HasSubstr("expected at most"));
}

}  // namespace
}  // namespace shoal::checkpoint
