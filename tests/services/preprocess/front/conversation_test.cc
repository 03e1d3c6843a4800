#include "services/preprocess/front/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/preprocess/errors/errors.h"
#include "tests/services/preprocess/text/small_tokenizer.h"

namespace shoal::preprocess {
namespace {

using ::testing::HasSubstr;

constexpr int kCodebooks = 2;

// (frames, num_codebooks), as a turn's audio comes.
std::vector<int32_t> Audio(int frames) {
  std::vector<int32_t> codes;
  for (int i = 0; i < frames; ++i) codes.insert(codes.end(), {i % 4, i % 10});
  return codes;
}

class ConversationTest : public ::testing::Test {
 protected:
  Conversation Make(int64_t max_seq_len, std::optional<uint32_t> max_frames = std::nullopt,
                    std::vector<Voice> voices = {}) {
    return Conversation(&builder_, max_seq_len, max_frames, 2048, std::move(voices));
  }
  static Voice VoiceOf(int64_t frames) {
    auto reference = std::make_shared<EncodedReference>();
    reference->codes.frames = frames;
    reference->codes.values.assign(static_cast<size_t>(frames) * kCodebooks, 1);
    return {"What is said.", reference};
  }

  Tokenizer tokenizer_ = SmallTokenizer();
  PromptBuilder builder_ =
      *PromptBuilder::Create(&tokenizer_, {kSemanticStart, kSemanticEnd, kCodebooks, 10});
};

TEST_F(ConversationTest, RemembersTextAndAudioOfEveryTurn) {
  Conversation conversation = Make(10000);
  conversation.Add("one", Audio(3));
  conversation.Add("two", Audio(2));
  const absl::StatusOr<Conversation::Plan> plan = conversation.Next("three");
  ASSERT_TRUE(plan.ok()) << plan.status();
  const std::vector<int32_t> one = {0, 1, 2, 0, 1, 2}, two = {0, 1, 0, 1};
  const SpokenTurn history[] = {{"one", {one, 3}}, {"two", {two, 2}}};
  EXPECT_EQ(plan->prompt.token_ids, builder_.Build({}, history, "three")->token_ids);
  EXPECT_EQ(plan->prompt.codes, builder_.Build({}, history, "three")->codes);
}

TEST_F(ConversationTest, MaxFramesIsWhatWasAskedForOrWhatThereIsRoomFor) {
  EXPECT_EQ(Make(10000).Next("hi")->max_frames, 2048u);
  EXPECT_EQ(Make(10000, 77).Next("hi")->max_frames, 77u);
  const int64_t prompt = builder_.Build({}, {}, "hi")->length();
  EXPECT_EQ(Make(prompt + 100).Next("hi")->max_frames, 100u);
  EXPECT_EQ(Make(prompt + 1).Next("hi")->max_frames, 1u);
}

TEST_F(ConversationTest, ForgetsTheOldestTurnsDownToHalfAtOnce) {
  constexpr int64_t kContext = 2000;
  Conversation conversation = Make(kContext, 100);
  int forgotten_times = 0;
  for (int turn = 0; turn < 60; ++turn) {
    const size_t before = conversation.turns();
    const absl::StatusOr<Conversation::Plan> plan = conversation.Next("some text");
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_LE(plan->prompt.length() + plan->max_frames, kContext);
    if (conversation.turns() < before) {
      ++forgotten_times;
      EXPECT_LE(plan->prompt.length(), kContext / 2);
      // No more than needed: with one turn more it would be past the half.
      EXPECT_GT(plan->prompt.length(), kContext / 2 - 150);
    }
    conversation.Add("some text", Audio(60));
  }
  EXPECT_GE(forgotten_times, 2);
  EXPECT_LE(forgotten_times, 8);  // not every turn: the cached prefix is worth something
}

TEST_F(ConversationTest, ForgetsAllRatherThanRefusing) {
  const int64_t alone = builder_.Build({}, {}, "next")->length();
  Conversation conversation = Make(alone + 500, 500);
  conversation.Add("first", Audio(10));
  const absl::StatusOr<Conversation::Plan> plan = conversation.Next("next");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->prompt.length(), alone);
  EXPECT_EQ(conversation.turns(), 0u);
}

TEST_F(ConversationTest, ATurnThatCanNeverFitNamesWhatIsTooLarge) {
  const int64_t alone = builder_.Build({}, {}, "next")->length();
  const auto error = [](absl::StatusOr<Conversation::Plan> plan) {
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ReasonOf(plan.status()), "CONTEXT_TOO_LONG");
    return std::string(plan.status().message());
  };
  EXPECT_THAT(error(Make(alone + 9, 10).Next("next")), HasSubstr("config.sampling.max_frames"));
  EXPECT_THAT(error(Make(alone).Next("next")), HasSubstr("text: the turn needs"));
  EXPECT_THAT(error(Make(500, std::nullopt, {VoiceOf(500)}).Next("next")),
              HasSubstr("config.references"));
}

}  // namespace
}  // namespace shoal::preprocess
