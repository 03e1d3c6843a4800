#include "services/preprocess/text/turns.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

using ::testing::ElementsAre;

TEST(SpeakerTag, IsDigitsBetweenTheMarks) {
  EXPECT_EQ(SpeakerTagLength("<|speaker:0|>x"), 13u);
  EXPECT_EQ(SpeakerTagLength("<|speaker:123456789|>"), kMaxSpeakerTagBytes);
  for (const char* text :
       {"", "<|speaker:|>", "<|speaker:1234567890|>", "<|speaker:-1|>", "<|Speaker:1|>",
        "<|speaker:1 |>", "<|speaker:1|", " <|speaker:1|>", "<|speaker:\u0661|>"}) {
    EXPECT_EQ(SpeakerTagLength(text), 0u) << text;
  }
}

TEST(SpeakerTag, PrefixesAreThoseThatCanStillBecomeATag) {
  const std::string tag = "<|speaker:123456789|>";
  for (size_t n = 1; n < tag.size(); ++n) EXPECT_TRUE(IsSpeakerTagPrefix(tag.substr(0, n))) << n;
  EXPECT_TRUE(IsSpeakerTagPrefix("<|speaker:1|"));
  for (const char* text : {"<|speaker:|", "<|speaker:1234567890", "<|speaker:x", "<|speaks", "x",
                           "<|speaker:1|>", "<|speaker:1||"}) {
    EXPECT_FALSE(IsSpeakerTagPrefix(text)) << text;
  }
}

TEST(DialogueBatches, TextWithoutTagsIsOneBatchAsItIs) {
  EXPECT_THAT(DialogueBatches("  One. Two.\n", {5}), ElementsAre("  One. Two.\n"));
  EXPECT_THAT(DialogueBatches(" \n", {5}), ElementsAre());
  DialogueOptions authors = {5};
  authors.leading_text = LeadingText::kDrop;
  EXPECT_THAT(DialogueBatches(" \n", authors), ElementsAre(" \n"));
}

TEST(DialogueBatches, GroupsByTurnsAndBytes) {
  const std::string text = "<|speaker:1|> aa \n<|speaker:2|>bb<|speaker:1|>cc";
  EXPECT_THAT(DialogueBatches(text, {1000}),
              ElementsAre("<|speaker:1|> aa\n<|speaker:2|>bb\n<|speaker:1|>cc"));
  EXPECT_THAT(DialogueBatches(text, {1000, 2}),
              ElementsAre("<|speaker:1|> aa\n<|speaker:2|>bb", "<|speaker:1|>cc"));
  // 16 + 15 bytes fit 31, the newline is not counted.
  EXPECT_THAT(DialogueBatches(text, {31}),
              ElementsAre("<|speaker:1|> aa\n<|speaker:2|>bb", "<|speaker:1|>cc"));
  EXPECT_THAT(DialogueBatches(text, {30}),
              ElementsAre("<|speaker:1|> aa", "<|speaker:2|>bb\n<|speaker:1|>cc"));
  EXPECT_THAT(DialogueBatches(text, {1}),
              ElementsAre("<|speaker:1|> aa", "<|speaker:2|>bb", "<|speaker:1|>cc"));
}

TEST(DialogueBatches, LeadingTextIsATurnUnlessDropped) {
  const std::string text = " Prologue. <|speaker:1|>aa";
  EXPECT_THAT(DialogueBatches(text, {1000}), ElementsAre("Prologue.\n<|speaker:1|>aa"));
  DialogueOptions authors = {1000};
  authors.leading_text = LeadingText::kDrop;
  EXPECT_THAT(DialogueBatches(text, authors), ElementsAre("<|speaker:1|>aa"));
  EXPECT_THAT(DialogueBatches(" \n<|speaker:1|>aa", {1000}), ElementsAre("<|speaker:1|>aa"));
}

}  // namespace
}  // namespace shoal::preprocess
