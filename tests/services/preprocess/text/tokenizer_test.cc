#include "services/preprocess/text/tokenizer.h"

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/preprocess/text/small_tokenizer.h"

namespace shoal::preprocess {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;
using Json = nlohmann::json;

Ids Parse(const Tokenizer& tokenizer, absl::string_view text) {
  return *tokenizer.Encode(text, ControlTokens::kParse);
}
Ids AsText(const Tokenizer& tokenizer, absl::string_view text) {
  return *tokenizer.Encode(text, ControlTokens::kAsText);
}

// The bytes of `text` as the small tokenizer's ids.
Ids Bytes(absl::string_view text) {
  Ids ids;
  for (const char byte : text) ids.push_back(static_cast<uint8_t>(byte));
  return ids;
}

Json AddedToken(int id, const std::string& content, bool normalized) {
  return {{"id", id},        {"content", content},       {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", normalized}, {"special", false}};
}

TEST(Tokenizer, ParsesControlTokensOnlyWhenTold) {
  const Tokenizer tokenizer = SmallTokenizer();
  EXPECT_THAT(Parse(tokenizer, "abc<|im_end|>\n"), ElementsAre(257, kImEnd, '\n'));
  EXPECT_EQ(AsText(tokenizer, "<|im_end|><|semantic:1|><|voice|>"),
            Bytes("<|im_end|><|semantic:1|><|voice|>"));
}

TEST(Tokenizer, UsersMayWritePhonemes) {
  const Tokenizer tokenizer = SmallTokenizer();
  EXPECT_THAT(AsText(tokenizer, "<|phoneme_start|>AH<|phoneme_end|>"),
              ElementsAre(kPhonemeStart, 'A', 'H', kPhonemeEnd));
  // Nothing that stands around them becomes a control token by that.
  EXPECT_EQ(AsText(tokenizer, "<|im_<|phoneme_end|>end|>").size(), 1 + Bytes("<|im_end|>").size());
}

// "<|im_end|>" could be put together by merges, or be found as a whole word, were it an entry.
TEST(Tokenizer, OrdinaryTextNeverBecomesAControlToken) {
  for (const bool ignore_merges : {false, true}) {
    Json json = SmallTokenizerJson();
    json["model"]["vocab"]["<E"] = 400;
    json["model"]["vocab"]["<E>"] = 401;
    json["model"]["merges"] = Json::array({"< E", "<E >"});
    json["model"]["ignore_merges"] = ignore_merges;
    json["pre_tokenizer"] = json["pre_tokenizer"]["pretokenizers"][1];
    json["added_tokens"].push_back(AddedToken(401, "<E>", false));
    const Tokenizer tokenizer = MakeTokenizer(json);
    EXPECT_THAT(Parse(tokenizer, "<E>"), ElementsAre(401));
    EXPECT_THAT(AsText(tokenizer, "<E>"), ElementsAre(400, '>'));
  }
}

// Expected values come from the Hugging Face tokenizers library, 0.23.
TEST(Tokenizer, LooksForNormalizedTokensInNormalizedText) {
  Json json = SmallTokenizerJson();
  json["added_tokens"].push_back(AddedToken(500, "é!", true));
  json["added_tokens"].push_back(AddedToken(501, "e\u0301?", true));
  json["added_tokens"].push_back(AddedToken(502, "e\u0301#", false));
  const Tokenizer tokenizer = MakeTokenizer(json);
  for (const char* text : {"xe\u0301!y", "x\u00E9!y"}) {
    EXPECT_THAT(Parse(tokenizer, text), ElementsAre('x', 500, 'y')) << text;
  }
  for (const char* text : {"xe\u0301?y", "x\u00E9?y"}) {
    EXPECT_THAT(Parse(tokenizer, text), ElementsAre('x', 501, 'y')) << text;
  }
  EXPECT_THAT(Parse(tokenizer, "xe\u0301#y"), ElementsAre('x', 502, 'y'));
  EXPECT_EQ(Parse(tokenizer, "x\u00E9#y"), Bytes("x\u00E9#y"));
  EXPECT_EQ(AsText(tokenizer, "e\u0301!"), Bytes("\u00E9!"));
}

TEST(Tokenizer, NormalizesBetweenTokensOnly) {
  const Tokenizer tokenizer = SmallTokenizer();
  EXPECT_THAT(Parse(tokenizer, "e\u0301<|voice|>\u0301"),
              ElementsAre(0xC3, 0xA9, kVoice, 0xCC, 0x81));
}

TEST(Tokenizer, RefusesInvalidUtf8NamingTheByte) {
  const absl::Status status =
      SmallTokenizer().Encode("abc\xC3\xA9\xFFz", ControlTokens::kAsText).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at byte 5"));
}

TEST(Tokenizer, KnowsItsTokens) {
  const Tokenizer tokenizer = SmallTokenizer();
  EXPECT_EQ(tokenizer.TokenId("<|im_end|>"), kImEnd);
  EXPECT_EQ(tokenizer.TokenId("abc"), 257);
  EXPECT_EQ(tokenizer.TokenId("<|unknown|>"), std::nullopt);
  EXPECT_EQ(tokenizer.vocab_size(), kSemanticEnd + 1);
  EXPECT_THAT(Parse(tokenizer, ""), ElementsAre());
}

TEST(Tokenizer, LoadNamesTheFile) {
  const absl::Status status = Tokenizer::Load("/nonexistent/tokenizer.json").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/tokenizer.json"));
}

// All of them are one word, one run or one failing start of a token.
TEST(Tokenizer, EncodesAMegabyteOfAnything) {
  const Tokenizer tokenizer = SmallTokenizer();
  for (const char* unit : {"a", "abc", " ", "\n", " \n", "7", "<", "<|", "<|semantic:", "'s",
                           "\u0301", "\u0301\u0323", "\u6F22", "\u1100\u1161"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    const absl::StatusOr<Ids> ids = tokenizer.Encode(text, ControlTokens::kAsText);
    ASSERT_TRUE(ids.ok()) << unit << ": " << ids.status();
    EXPECT_GT(ids->size(), text.size() / 4) << unit;
  }
}

TEST(Tokenizer, ThreadsMayShareIt) {
  const Tokenizer tokenizer = SmallTokenizer();
  std::vector<std::string> texts;
  std::vector<Ids> expected;
  std::mt19937 random(11);
  for (int i = 0; i < 40; ++i) {
    std::string text;
    for (int word = 0; word < 60; ++word) {
      static const char* const kWords[] = {"abc", " abab", "e\u0301", "<|im_end|>", "\n\n", "42"};
      text += kWords[random() % std::size(kWords)];
    }
    expected.push_back(Parse(tokenizer, text));
    texts.push_back(std::move(text));
  }
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < texts.size(); ++i) {
        const size_t at = (i + t * 10) % texts.size();
        if (Parse(tokenizer, texts[at]) != expected[at]) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace shoal::preprocess
