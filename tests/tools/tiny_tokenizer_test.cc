#include "tools/tiny_tokenizer.h"

#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/preprocess/text/tokenizer.h"
#include "tests/support/golden.h"

namespace shoal::tools {
namespace {

using Json = nlohmann::json;

Json Tokenizer(int64_t entries) { return Json::parse(TinyTokenizerJson(entries)); }

TEST(TinyTokenizerTest, HasThePipelineOfARealOne) {
  const Json golden = shoal::testing::GoldenJson("checkpoint/tokenizer.json");
  const Json tiny = Tokenizer(8);
  for (const char* key : {"version", "truncation", "padding", "normalizer", "pre_tokenizer",
                          "post_processor", "decoder"}) {
    EXPECT_EQ(tiny.at(key), golden.at(key)) << key;
  }
  for (const auto& [key, value] : golden.at("model").items()) {
    if (key == "vocab" || key == "merges") continue;
    EXPECT_EQ(tiny.at("model").at(key), value) << key;
  }
  // The bytes have the ids that they have there, too.
  for (const auto& [text, id] : golden.at("model").at("vocab").items()) {
    if (id >= 256) continue;
    EXPECT_EQ(tiny.at("model").at("vocab").at(text), id) << text;
  }
}

TEST(TinyTokenizerTest, HasTheAddedTokensOfARealOne) {
  const Json golden = shoal::testing::GoldenJson("checkpoint/tokenizer.json");
  const Json tiny = Tokenizer(golden.at("added_tokens").size());
  std::map<std::string, Json> added;
  for (Json token : tiny.at("added_tokens")) {
    token.erase("id");
    added[token.at("content")] = token;
  }
  for (Json token : golden.at("added_tokens")) {
    token.erase("id");
    EXPECT_EQ(added[token.at("content")], token);
  }
}

TEST(TinyTokenizerTest, IdsAreDenseAndMergesMakeTokens) {
  const Json tiny = Tokenizer(5);
  const Json& vocab = tiny.at("model").at("vocab");
  std::set<int64_t> ids;
  for (const auto& [text, id] : vocab.items()) ids.insert(id.get<int64_t>());
  for (const Json& token : tiny.at("added_tokens")) ids.insert(token.at("id").get<int64_t>());
  EXPECT_EQ(ids.size(), vocab.size() + tiny.at("added_tokens").size());
  EXPECT_EQ(*ids.begin(), 0);
  EXPECT_EQ(*ids.rbegin(), static_cast<int64_t>(ids.size()) - 1);

  int64_t id = 256;  // every merge makes the next token from two that are there before it
  for (const Json& merge : tiny.at("model").at("merges")) {
    const std::string left = merge.at(0);
    const std::string right = merge.at(1);
    EXPECT_LT(vocab.at(left), id);
    EXPECT_LT(vocab.at(right), id);
    EXPECT_EQ(vocab.at(left + right), id++);
  }
  EXPECT_GT(id, 256 + 20);
  EXPECT_EQ(static_cast<size_t>(id), vocab.size());
}

TEST(TinyTokenizerTest, SaysItsIds) {
  const TinyTokenIds said = TinyTokens();
  std::map<std::string, int64_t> ids;
  const Json tiny = Tokenizer(3);
  for (const Json& token : tiny.at("added_tokens")) {
    ids[token.at("content")] = token.at("id");
  }
  EXPECT_EQ(ids.at("<|im_end|>"), said.eos);
  EXPECT_EQ(ids.at("<|pad|>"), said.pad);
  EXPECT_EQ(ids.at("<|audio_pad|>"), said.audio_pad);
  EXPECT_EQ(ids.at("<|semantic:0|>"), said.semantic_start);
  EXPECT_EQ(ids.at("<|semantic:2|>"), said.semantic_start + 2);
}

TEST(TinyTokenizerTest, EncodesAnyText) {
  const auto tokenizer = preprocess::Tokenizer::FromJson(TinyTokenizerJson(4));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto encode = [&](const std::string& text) {
    const auto ids = tokenizer->Encode(text, preprocess::ControlTokens::kParse);
    EXPECT_TRUE(ids.ok()) << ids.status();
    return ids.ok() ? *ids : std::vector<int32_t>();
  };
  EXPECT_THAT(encode("<|im_end|>"), ::testing::ElementsAre(TinyTokens().eos));
  EXPECT_THAT(encode("<|semantic:3|>"), ::testing::ElementsAre(TinyTokens().semantic_start + 3));
  EXPECT_EQ(encode(" the").size(), 1u);  // merges are used
  EXPECT_EQ(encode("user").size(), 1u);
  EXPECT_EQ(encode("zz").size(), 2u);
  EXPECT_EQ(encode("\u6d77\U0001f980").size(), 7u);  // bytes of what no merge knows
  std::string every;
  for (char c = 1; c > 0 && c < 127; ++c) every += c;
  EXPECT_GT(encode(every).size(), 90u);
}

}  // namespace
}  // namespace shoal::tools
