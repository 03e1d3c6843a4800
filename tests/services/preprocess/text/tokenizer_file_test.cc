#include "services/preprocess/text/tokenizer_file.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/preprocess/text/small_tokenizer.h"

namespace shoal::preprocess {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// Sets one value, by JSON pointer, and returns what reading the file then says.
std::string ErrorWith(const std::string& pointer, const Json& value) {
  Json json = SmallTokenizerJson();
  json[Json::json_pointer(pointer)] = value;
  const absl::Status status = Tokenizer::FromJson(json.dump()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << pointer << " " << value;
  return std::string(status.message());
}

TEST(TokenizerFile, RefusesUnknownComponentsByPath) {
  const struct {
    const char* pointer;
    Json value;
    const char* message;
  } cases[] = {
      {"/extra", 1, "extra: unknown key"},
      {"/version", "2.0", "version: expected \"1.0\""},
      {"/truncation", Json::object(), "truncation: not supported"},
      {"/padding", Json::object(), "padding: not supported"},
      {"/normalizer/type", "NFKC", "normalizer.type: unknown normalizer \"NFKC\""},
      {"/normalizer/form", 1, "normalizer.form: unknown key"},
      {"/normalizer",
       {{"type", "Sequence"}, {"normalizers", {{{"type", "Lowercase"}}}}},
       "normalizer.normalizers[0].type: unknown normalizer \"Lowercase\""},
      {"/pre_tokenizer", nullptr, "pre_tokenizer: expected an object"},
      {"/pre_tokenizer/pretokenizers/0/type", "Whitespace",
       "pre_tokenizer.pretokenizers[0].type: \"Whitespace\" here is not supported"},
      {"/pre_tokenizer/pretokenizers/0/behavior", "Isolate",
       "pre_tokenizer.pretokenizers[0].behavior: unknown behavior \"Isolate\""},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+",
       "pre_tokenizer.pretokenizers[0].pattern.Regex: pattern: \"\\w\" is not supported"},
      {"/pre_tokenizer/pretokenizers/0/pattern/Regex", "(x",
       "pre_tokenizer.pretokenizers[0].pattern.Regex: pattern: "},
      {"/pre_tokenizer/pretokenizers/0/pattern/Glob", "x",
       "pre_tokenizer.pretokenizers[0].pattern.Glob: unknown key"},
      {"/pre_tokenizer/pretokenizers/0/pattern/String", "x",
       "pre_tokenizer.pretokenizers[0].pattern: has both"},
      {"/pre_tokenizer/pretokenizers/1/use_regex", "no",
       "pre_tokenizer.pretokenizers[1].use_regex: expected true or false"},
      {"/pre_tokenizer/pretokenizers", Json::array(), "pre_tokenizer: has no ByteLevel stage"},
      {"/post_processor/type", "TemplateProcessing", "post_processor.type: not supported"},
      {"/decoder/type", "WordPiece", "decoder.type: not supported"},
      {"/model/type", "Unigram", "model.type: unknown model \"Unigram\""},
      {"/model/dropout", 0.1, "model.dropout: not supported"},
      {"/model/unk_token", "<unk>", "model.unk_token: not supported"},
      {"/model/end_of_word_suffix", "</w>", "model.end_of_word_suffix: not supported"},
      {"/model/continuing_subword_prefix", "##", "model.continuing_subword_prefix: not supported"},
      {"/model/cache", 1, "model.cache: unknown key"},
      {"/model/vocab/abc", -1, "model.vocab: expected a token id"},
      {"/model/vocab/abc", 3'000'000'000, "model.vocab: expected a token id"},
      {"/model/vocab/abc", 256, "model.vocab: id 256 is given to"},
      {"/model/merges/1", "ab c d", "model.merges[1]: expected two entries"},
      {"/model/merges/1", {"ab", 3}, "model.merges[1]: expected two entries"},
      {"/model/merges/1", {"ab", "d"}, "model.merges[1]: \"abd\" is not in model.vocab"},
      {"/added_tokens/1/content", "", "added_tokens[1].content: is empty"},
      {"/added_tokens/1/content", "<|im_start|>", "added_tokens[1]: \"<|im_start|>\" is listed"},
      {"/added_tokens/1/id", 300, "added_tokens[1]: id 300 is that of \"<|im_start|>\" too"},
      {"/added_tokens/1/id", 97, "added_tokens[1]: id 97 is that of \"a\" too"},
      {"/added_tokens/1/content", "abc", "added_tokens[1]: \"abc\" has id 257 in model.vocab"},
      {"/added_tokens/1/special", 1, "added_tokens[1].special: expected true or false"},
      {"/added_tokens/1/score", 1, "added_tokens[1].score: unknown key"},
  };
  for (const auto& c : cases) EXPECT_THAT(ErrorWith(c.pointer, c.value), HasSubstr(c.message));
}

TEST(TokenizerFile, RefusesWhatIsNoTokenizer) {
  for (const char* text :
       {"", "{", "[]", "3", "null", "{\"version\": \"1.0\"}", "{\"model\": \xFF}"}) {
    EXPECT_EQ(ReadTokenizerFile(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  const std::string deep(100'000, '[');
  EXPECT_THAT(std::string(ReadTokenizerFile(deep).status().message()), HasSubstr("not JSON"));
}

TEST(TokenizerFile, ReadsBothFormsOfMerges) {
  Json json = SmallTokenizerJson();
  json["model"]["merges"] = {"a b", {"ab", "c"}};
  const TokenizerFile file = *ReadTokenizerFile(json.dump());
  EXPECT_EQ(file.merges,
            (std::vector<std::pair<std::string, std::string>>{{"a", "b"}, {"ab", "c"}}));
}

TEST(TokenizerFile, ReadsASingleStageAndAbsentComponents) {
  Json json = SmallTokenizerJson();
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}};
  for (const char* key : {"normalizer", "post_processor", "decoder", "truncation", "padding"}) {
    json.erase(key);
  }
  const TokenizerFile file = *ReadTokenizerFile(json.dump());
  EXPECT_FALSE(file.nfc);
  EXPECT_TRUE(file.pre_tokenizer.has_value());
}

}  // namespace
}  // namespace shoal::preprocess
