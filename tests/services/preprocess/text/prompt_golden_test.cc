#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "common/checkpoint/model_config.h"
#include "gtest/gtest.h"
#include "services/preprocess/text/prompt.h"
#include "services/preprocess/text/text_splitter.h"
#include "tests/support/golden.h"

namespace shoal::preprocess {
namespace {

using shoal::testing::GoldenFile;

// Codes of the golden data, owned.
struct Codes {
  Codes(const GoldenFile& file, const std::string& name)
      : values(file.I32(name)), frames(file.Shape(name).at(1)) {}
  CodesView view() const { return {values, frames}; }

  std::vector<int32_t> values;
  int64_t frames;
};

class PromptGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string checkpoint = shoal::testing::GoldenCheckpoint();
    auto tokenizer = Tokenizer::Load(checkpoint + "/tokenizer.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = std::make_unique<Tokenizer>(*std::move(tokenizer));
    const auto config = checkpoint::LoadModelConfig(checkpoint);
    ASSERT_TRUE(config.ok()) << config.status();
    vocabulary_ = {config->semantic_start, config->semantic_end, config->num_codebooks,
                   config->audio.vocab_size};
    cases_ = shoal::testing::GoldenJson("prompts/prompts.json");
    ASSERT_FALSE(cases_.empty());
  }

  PromptBuilder Builder(const PromptOptions& options) {
    return *PromptBuilder::Create(tokenizer_.get(), vocabulary_, options);
  }

  static std::vector<std::string> ExpectedBatches(const nlohmann::json& golden) {
    std::vector<std::string> texts;
    for (const nlohmann::json& batch : golden.at("batches")) texts.push_back(batch.at("text"));
    return texts;
  }

  // Whether the server's own behaviour must differ from the reference's on this case.
  static bool Differs(const nlohmann::json& golden) {
    const nlohmann::json file = shoal::testing::GoldenJson("checkpoint/tokenizer.json");
    std::vector<std::string> texts = {golden.at("text")};
    for (const nlohmann::json& reference : golden.at("references")) {
      texts.push_back(reference.at("text"));
    }
    for (const nlohmann::json& token : file.at("added_tokens")) {
      const std::string content = token.at("content");
      for (const std::string& text : texts) {
        if (absl::StrContains(text, content)) return true;
      }
    }
    const std::string& text = texts.front();
    return HasSpeakerTag(text) && SpeakerTagLength(text) == 0;
  }

  void Check(const nlohmann::json& golden, const PromptOptions& options) {
    const std::string name = golden.at("name");
    SCOPED_TRACE(name);
    const GoldenFile arrays("prompts/" + name + ".safetensors");
    const PromptBuilder builder = Builder(options);
    const std::vector<std::string> batches =
        builder.Batches(golden.at("text").get<std::string>(), golden.at("chunk_length"),
                        golden.at("max_turns_per_batch"));
    ASSERT_EQ(batches, ExpectedBatches(golden));

    std::vector<std::string> transcripts;
    std::vector<Codes> codes;
    for (const nlohmann::json& reference : golden.at("references")) {
      transcripts.push_back(reference.at("text"));
      codes.emplace_back(arrays, reference.at("codes"));
    }
    std::vector<Reference> references;
    for (size_t i = 0; i < codes.size(); ++i) {
      references.push_back({transcripts[i], codes[i].view()});
    }
    for (size_t b = 0; b < batches.size(); ++b) {
      const nlohmann::json& batch = golden.at("batches").at(b);
      std::vector<Codes> spoken;
      for (const nlohmann::json& generated : batch.at("history")) {
        spoken.emplace_back(arrays, generated);
      }
      std::vector<SpokenTurn> history;
      for (size_t i = 0; i < spoken.size(); ++i) history.push_back({batches[i], spoken[i].view()});
      const absl::StatusOr<Prompt> prompt = builder.Build(references, history, batches[b]);
      ASSERT_TRUE(prompt.ok()) << prompt.status();
      EXPECT_EQ(prompt->token_ids, arrays.I32(batch.at("token_ids"))) << "batch " << b;
      EXPECT_EQ(prompt->codes, arrays.I32(batch.at("codes"))) << "batch " << b;
    }
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  PromptVocabulary vocabulary_;
  nlohmann::json cases_;
};

TEST_F(PromptGolden, EveryCaseWithTheReferencesOwnBehaviour) {
  for (const nlohmann::json& golden : cases_) Check(golden, PromptOptions::LikeTheAuthors());
}

TEST_F(PromptGolden, TheServersBehaviourDiffersOnlyWhereItMust) {
  int checked = 0;
  for (const nlohmann::json& golden : cases_) {
    if (Differs(golden)) continue;
    Check(golden, PromptOptions());
    ++checked;
  }
  EXPECT_GT(checked, 0);
}

// Streaming gives the same turns as the whole text, wherever no part has to be cut.
TEST_F(PromptGolden, TheSplitterGroupsDialoguesAlike) {
  int checked = 0;
  for (const nlohmann::json& golden : cases_) {
    const std::string text = golden.at("text");
    const int64_t chunk_length = golden.at("chunk_length");
    const bool batches_as_ours =
        golden.at("max_turns_per_batch") == kMaxTurnsPerBatch && SpeakerTagLength(text) > 0;
    bool all_fit = true;
    for (const std::string& turn : DialogueBatches(text, {chunk_length, 1})) {
      all_fit = all_fit && static_cast<int64_t>(turn.size()) <= chunk_length;
    }
    absl::StatusOr<TextSplitter> splitter = TextSplitter::Create(chunk_length);
    if (!splitter.ok() || !batches_as_ours || !all_fit) continue;
    std::vector<std::string> turns;
    for (const char& byte : text) {
      const std::vector<std::string> more = *splitter->Append(absl::string_view(&byte, 1));
      turns.insert(turns.end(), more.begin(), more.end());
    }
    const std::vector<std::string> rest = *splitter->Finish();
    turns.insert(turns.end(), rest.begin(), rest.end());
    EXPECT_EQ(turns, ExpectedBatches(golden)) << golden.at("name");
    ++checked;
  }
  if (checked == 0) GTEST_SKIP() << "no case is a dialogue whose every turn fits";
}

}  // namespace
}  // namespace shoal::preprocess
