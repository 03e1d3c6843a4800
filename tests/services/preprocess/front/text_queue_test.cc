#include "services/preprocess/front/text_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

using Kind = TextQueue::Item::Kind;
using ::testing::ElementsAre;

// Everything that can be done now: turns as they are, flushes as "/id", the end as "//".
std::vector<std::string> All(TextQueue& queue) {
  std::vector<std::string> items;
  for (;;) {
    absl::StatusOr<std::optional<TextQueue::Item>> item = queue.Next();
    EXPECT_TRUE(item.ok()) << item.status();
    if (!item.ok() || !item->has_value()) return items;
    const char* prefix = (*item)->kind == Kind::kTurn    ? ""
                         : (*item)->kind == Kind::kFlush ? "/"
                                                         : "//";
    items.push_back(prefix + (*item)->text);
  }
}

TEST(TextQueue, FlushesAndTheEndComeAfterTheTextBeforeThem) {
  TextQueue queue = *TextQueue::Create(100, 1000);
  ASSERT_TRUE(queue.AddText("One.").ok());
  EXPECT_THAT(All(queue), ElementsAre());  // more may come
  queue.AddFlush("a");
  ASSERT_TRUE(queue.AddText("Two").ok());
  ASSERT_TRUE(queue.AddText(" three.").ok());
  queue.AddFlush("b");
  queue.AddFlush("c");
  EXPECT_THAT(All(queue), ElementsAre("One.", "/a", "Two three.", "/b", "/c"));
  ASSERT_TRUE(queue.AddText("Four.").ok());
  queue.End();
  EXPECT_THAT(All(queue), ElementsAre("Four.", "//"));
  EXPECT_EQ(queue.waiting(), 0u);
}

TEST(TextQueue, ALongTextIsSplitNoFurtherThanNeeded) {
  TextQueue queue = *TextQueue::Create(100, 1 << 20);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::string(88, 'a') + ". ";
  ASSERT_TRUE(queue.AddText(text).ok());
  queue.End();
  ASSERT_TRUE(queue.Next().ok());
  EXPECT_EQ(queue.waiting(), 2u);  // most of it still waits to be split
  EXPECT_EQ(All(queue).size(), 1000u);
}

TEST(TextQueue, StepsMayEndInsideACharacter) {
  TextQueue queue = *TextQueue::Create(1000, 1 << 20);
  std::string text = "x";
  while (text.size() < 20000) text += "\xf0\x9f\x98\x80";
  ASSERT_TRUE(queue.AddText(text).ok());
  queue.End();
  std::string joined;
  for (const std::string& item : All(queue)) joined += item;
  EXPECT_EQ(joined, text + "//");
}

TEST(TextQueue, TheWholeCallHasALimit) {
  TextQueue queue = *TextQueue::Create(100, 10);
  ASSERT_TRUE(queue.AddText("12345").ok());
  ASSERT_TRUE(queue.AddText("67890").ok());
  const absl::Status status = queue.AddText("1");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ReasonOf(status), "TEXT_TOO_LONG");
}

TEST(TextQueue, TextThatIsNotUtf8IsRefusedByField) {
  TextQueue queue = *TextQueue::Create(100, 1000);
  ASSERT_TRUE(queue.AddText("ab\xff").ok());
  const absl::Status status = queue.Next().status();
  EXPECT_EQ(ReasonOf(status), "TEXT_NOT_UTF8");
  EXPECT_THAT(std::string(status.message()), ::testing::StartsWith("text: "));
}

TEST(TextQueue, AnEmptyPieceIsNothing) {
  TextQueue queue = *TextQueue::Create(100, 1000);
  ASSERT_TRUE(queue.AddText("").ok());
  queue.End();
  EXPECT_THAT(All(queue), ElementsAre("//"));
}

}  // namespace
}  // namespace shoal::preprocess
