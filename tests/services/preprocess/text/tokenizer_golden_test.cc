#include "services/preprocess/text/tokenizer.h"

#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/support/golden.h"

namespace shoal::preprocess {
namespace {

using shoal::testing::GoldenDir;

TEST(TokenizerGolden, EveryStringHasItsIds) {
  const std::vector<std::string> files = shoal::testing::GoldenFiles("tokenizer/", ".jsonl");
  ASSERT_FALSE(files.empty());
  for (const std::string& file : files) {
    SCOPED_TRACE(file);
    const std::string path = shoal::testing::GoldenCase(file).at("tokenizer");
    const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(GoldenDir() + "/" + path);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    std::istringstream lines(shoal::testing::GoldenText(file));
    std::string line;
    int count = 0;
    while (std::getline(lines, line)) {
      const nlohmann::json example = nlohmann::json::parse(line);
      const std::string text = example.at("text");
      const absl::StatusOr<std::vector<int32_t>> ids =
          tokenizer->Encode(text, ControlTokens::kParse);
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(*ids, example.at("ids").get<std::vector<int32_t>>()) << text;
      ++count;
    }
    EXPECT_GT(count, 0);
  }
}

// What the ids of a text that is not to be parsed spell is the text, in ordinary tokens.
TEST(TokenizerGolden, AsTextNoneOfTheAddedTokensComesOut) {
  const std::string path = shoal::testing::GoldenCheckpoint() + "/tokenizer.json";
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Load(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const nlohmann::json file = shoal::testing::GoldenJson("checkpoint/tokenizer.json");
  std::vector<int32_t> added;
  std::string all;
  for (const nlohmann::json& token : file.at("added_tokens")) {
    const std::string content = token.at("content");
    if (content == "<|phoneme_start|>" || content == "<|phoneme_end|>") continue;
    added.push_back(token.at("id"));
    all += content;
  }
  ASSERT_FALSE(added.empty());
  EXPECT_EQ(*tokenizer->Encode(all, ControlTokens::kParse), added);
  const std::vector<int32_t> ids = *tokenizer->Encode(all, ControlTokens::kAsText);
  EXPECT_FALSE(ids.empty());
  for (const int32_t id : ids) {
    EXPECT_EQ(std::count(added.begin(), added.end(), id), 0) << id;
  }
}

}  // namespace
}  // namespace shoal::preprocess
