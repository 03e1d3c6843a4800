#include "tools/make_tiny.h"

#include <filesystem>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/temp_dir.h"
#include "tools/verify.h"

namespace shoal::tools {
namespace {

using checkpoint::Checkpoint;
using shoal::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Make(const TempDir& folder, const TinyOptions& options) {
  const absl::Status status = MakeTinyCheckpoint(folder.path(), options);
  return status.ok() ? "" : std::string(status.message());
}

Checkpoint Open(const TempDir& folder) {
  return *Checkpoint::Open(folder.path(), {.transformer = true, .codec = true});
}

void ExpectVerified(const TempDir& folder) {
  const absl::StatusOr<Verified> verified = VerifyCheckpoint(folder.path());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_THAT(verified->notes, IsEmpty());
}

struct Case {
  const char* name;
  void (*change)(TinyOptions&);
};

class MakeTinyTest : public ::testing::TestWithParam<Case> {};

TEST_P(MakeTinyTest, MakesACheckpointThatVerifies) {
  TinyOptions options;
  GetParam().change(options);
  const TempDir folder;
  ASSERT_EQ(Make(folder, options), "");
  ExpectVerified(folder);
}

INSTANTIATE_TEST_SUITE_P(
    Options, MakeTinyTest,
    ::testing::Values(Case{"defaults", [](TinyOptions&) {}},
                      Case{"untied", [](TinyOptions& o) { o.untied = true; }},
                      Case{"project_in", [](TinyOptions& o) { o.project_in = true; }},
                      Case{"project_in_wider", [](TinyOptions& o) { o.fast_dim = 96; }},
                      Case{"fast_qk_norm", [](TinyOptions& o) { o.fast_qk_norm = true; }},
                      Case{"no_qk_norm", [](TinyOptions& o) { o.qk_norm = false; }},
                      Case{"biases", [](TinyOptions& o) { o.attention_bias = true; }},
                      Case{"four_codebooks", [](TinyOptions& o) { o.codebooks = 4; }},
                      Case{"one_codebook", [](TinyOptions& o) { o.codebooks = 1; }},
                      Case{"rates_3_5",
                           [](TinyOptions& o) {
                             o.rates = {"3", "5"};
                           }},
                      Case{"one_downsampling", [](TinyOptions& o) { o.downsample = {"3"}; }},
                      Case{"one_shard", [](TinyOptions& o) { o.shards = 1; }},
                      Case{"many_shards", [](TinyOptions& o) { o.shards = 31; }},
                      Case{"codec_projections", [](TinyOptions& o) { o.codec_dim = 48; }},
                      Case{"no_encoder_transformer",
                           [](TinyOptions& o) { o.encoder_transformer = false; }},
                      Case{"entries",
                           [](TinyOptions& o) {
                             o.semantic_entries = 100;
                             o.residual_entries = 30;
                             o.fast_entries = 120;
                             o.vocab_size = 500;
                           }}),
    [](const auto& info) { return info.param.name; });

TEST(MakeTinyTest, SizesAreThoseAskedFor) {
  TinyOptions options;
  options.layers = 3;
  options.dim = 48;
  options.heads = 6;
  options.kv_heads = 3;
  options.head_dim = 10;
  options.ffn = 70;
  options.max_seq_len = 777;
  options.untied = true;
  options.project_in = true;
  options.codebooks = 4;
  options.semantic_entries = 100;
  options.residual_entries = 33;
  options.fast_layers = 2;
  options.fast_qk_norm = true;
  options.sample_rate = 16000;
  options.rates = {"3", "5"};
  options.downsample = {"2", "3"};
  const TempDir folder;
  ASSERT_EQ(Make(folder, options), "");
  const Checkpoint opened = Open(folder);
  const checkpoint::ModelConfig& model = opened.model_config();
  EXPECT_EQ(model.text.n_layer, 3);
  EXPECT_EQ(model.text.dim, 48);
  EXPECT_EQ(model.text.n_head, 6);
  EXPECT_EQ(model.text.n_local_heads, 3);
  EXPECT_EQ(model.text.head_dim, 10);
  EXPECT_EQ(model.text.intermediate_size, 70);
  EXPECT_EQ(model.text.max_seq_len, 777);
  EXPECT_FALSE(model.text.tie_word_embeddings);
  EXPECT_GT(model.text.vocab_size, model.semantic_end + 1);  // padded, as S2 Pro's is
  EXPECT_NE(model.audio.dim, model.text.dim);
  EXPECT_EQ(model.audio.n_layer, 2);
  EXPECT_TRUE(model.audio.attention_qk_norm);
  EXPECT_EQ(model.num_codebooks, 4);
  EXPECT_EQ(model.n_semantic(), 100);
  const checkpoint::CodecConfig& codec = opened.codec_config();
  EXPECT_THAT(codec.encoder_rates, ElementsAre(3, 5));
  EXPECT_THAT(codec.decoder_rates, ElementsAre(5, 3));
  EXPECT_EQ(codec.frame_length, 3 * 5 * 2 * 3);
  EXPECT_EQ(codec.sample_rate, 16000);
  EXPECT_EQ(codec.num_codebooks(), 4);
  EXPECT_EQ(codec.quantizer.semantic_codebook_size, 100);
  EXPECT_EQ(codec.quantizer.residual_codebook_size, 33);
}

TEST(MakeTinyTest, ShardsAreNamedAsHuggingFaceDoes) {
  const TempDir folder;
  TinyOptions options;
  options.shards = 3;
  ASSERT_EQ(Make(folder, options), "");
  EXPECT_THAT(Open(folder).weights().files(),
              ElementsAre("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                          "model-00003-of-00003.safetensors", "model.safetensors.index.json"));
}

TEST(MakeTinyTest, TheWeightsDependOnTheSeedAndNotOnTheShards) {
  const auto fingerprint = [](uint64_t seed, int64_t shards) {
    const TempDir folder;
    TinyOptions options;
    options.seed = seed;
    options.shards = shards;
    EXPECT_EQ(Make(folder, options), "");
    return *Open(folder).fingerprint();
  };
  const checkpoint::Fingerprint first = fingerprint(1, 2);
  const checkpoint::Fingerprint sharded = fingerprint(1, 5);
  EXPECT_EQ(sharded.transformer, first.transformer);
  EXPECT_EQ(sharded.codec, first.codec);
  const checkpoint::Fingerprint other = fingerprint(2, 2);
  EXPECT_NE(other.transformer, first.transformer);
  EXPECT_NE(other.codec, first.codec);
  EXPECT_EQ(other.tokenizer, first.tokenizer);
}

// Whoever tries the server elsewhere gets this very checkpoint.
TEST(MakeTinyTest, TheDefaultIsTheSameOnEveryMachine) {
  const TempDir folder;
  ASSERT_EQ(Make(folder, {}), "");
  const checkpoint::Fingerprint fingerprint = *Open(folder).fingerprint();
  EXPECT_EQ(checkpoint::HexString(fingerprint.tokenizer),
            "ac84e3b39797fb728865fe76696ace15e8724605091996a8a45912600184f83e");
  EXPECT_EQ(checkpoint::HexString(fingerprint.transformer),
            "1cb29bb169a0328fbb477e31d98825ff22da3b3d479aa20f9ffc29dc3cb209f9");
  EXPECT_EQ(checkpoint::HexString(fingerprint.codec),
            "b3d23af21189c39f4b8c3ad45e911c0bd7d8aec7388d77e782545a841c4675ae");
}

TEST(MakeTinyTest, OverwritesNoCheckpoint) {
  const TempDir folder;
  ASSERT_EQ(Make(folder, {}), "");
  EXPECT_THAT(Make(folder, {}), AllOf(HasSubstr(folder.path()), HasSubstr("config.json")));
}

TEST(MakeTinyTest, MakesTheFolder) {
  const TempDir folder;
  ASSERT_TRUE(MakeTinyCheckpoint(folder.File("a/b"), {}).ok());
  EXPECT_TRUE(std::filesystem::exists(folder.File("a/b/config.json")));
}

struct Wrong {
  void (*change)(TinyOptions&);
  const char* error;
};

TEST(MakeTinyTest, RefusesSizesThatCannotBe) {
  const Wrong wrongs[] = {
      {[](TinyOptions& o) { o.layers = 0; }, "--layers: expected 1 to 256, not 0"},
      {[](TinyOptions& o) { o.kv_heads = 3; }, "n_local_heads"},
      {[](TinyOptions& o) { o.head_dim = 7; }, "head_dim should be even"},
      {[](TinyOptions& o) { o.vocab_size = 100; }, "semantic_start_token_id"},
      {[](TinyOptions& o) { o.fast_entries = 10; }, "semantic_end_token_id"},
      {[](TinyOptions& o) { o.codebooks = 65; }, "--codebooks"},
      {[](TinyOptions& o) {
         o.rates = {"3", "x"};
       },
       "--rates: expected whole numbers"},
      {[](TinyOptions& o) { o.rates = {}; }, "--rates: expected 1 to 8 numbers"},
      {[](TinyOptions& o) { o.downsample = {"0"}; }, "--downsample"},
      {[](TinyOptions& o) { o.decoder_dim = 24; }, "decoder_dim should be a multiple of 16"},
      {[](TinyOptions& o) { o.shards = 1000; }, "--shards: expected 1 to"},
      {[](TinyOptions& o) {
         o.project_in = true;
         o.fast_dim = o.dim;
       },
       "--project-in"},
  };
  for (const Wrong& wrong : wrongs) {
    const TempDir folder;
    TinyOptions options;
    wrong.change(options);
    EXPECT_THAT(Make(folder, options), HasSubstr(wrong.error));
    EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << wrong.error;
  }
}

}  // namespace
}  // namespace shoal::tools
