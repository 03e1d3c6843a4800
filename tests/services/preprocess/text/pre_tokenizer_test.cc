#include "services/preprocess/text/pre_tokenizer.h"

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

using Behavior = PreTokenizer::Behavior;

std::string Words(const PreTokenizer& pre_tokenizer, absl::string_view text) {
  std::vector<std::string> words;
  const absl::Status status =
      pre_tokenizer.ForEachWord(text, [&](absl::string_view word) { words.emplace_back(word); });
  EXPECT_TRUE(status.ok()) << status;
  return absl::StrJoin(words, "|");
}

std::string SplitWords(absl::string_view pattern, Behavior behavior, bool invert,
                       absl::string_view text) {
  std::vector<PreTokenizer::Split> splits;
  splits.push_back({*Pattern::Compile(pattern), behavior, invert});
  return Words(PreTokenizer(std::move(splits), {false, std::nullopt}), text);
}

struct SplitCase {
  const char* pattern;
  Behavior behavior;
  bool invert;
  const char* text;
  const char* words;
};

// Expected values come from the Hugging Face tokenizers library, 0.23.
TEST(PreTokenizer, SplitsByEveryBehavior) {
  const SplitCase cases[] = {
      {" ", Behavior::kRemoved, false, "a  b ", "a|b"},
      {" ", Behavior::kRemoved, true, "a  b ", " | | "},
      {" ", Behavior::kIsolated, false, "a  b ", "a| | |b| "},
      {" ", Behavior::kIsolated, true, "a  b ", "a| | |b| "},
      {" ", Behavior::kMergedWithPrevious, false, "a  b ", "a | |b "},
      {" ", Behavior::kMergedWithPrevious, false, " a b", " |a |b"},
      {" ", Behavior::kMergedWithPrevious, true, "a  b ", "a| | b| "},
      {" ", Behavior::kMergedWithNext, false, "a  b ", "a| | b| "},
      {" ", Behavior::kMergedWithNext, true, "a  b ", "a | |b "},
      {" ", Behavior::kContiguous, false, "a  b ", "a|  |b| "},
      {"ab", Behavior::kMergedWithPrevious, false, "ababcab", "ab|ab|cab"},
      {"ab", Behavior::kMergedWithPrevious, true, "ababcab", "ab|abc|ab"},
      {"ab", Behavior::kContiguous, true, "ababcab", "abab|c|ab"},
      {"x*", Behavior::kRemoved, true, "xxaxbx", "xx|x|x"},
      {"x*", Behavior::kIsolated, false, "ababcab", "a|b|a|b|c|a|b"},
      {"x*", Behavior::kMergedWithPrevious, false, "xxaxbx", "xx|ax|bx"},
      {"x*", Behavior::kMergedWithPrevious, true, "éxé", "é|xé"},
      {"x*", Behavior::kMergedWithNext, false, "xxaxbx", "xxa|xb|x"},
      {"x*", Behavior::kContiguous, false, "a  b ", "a| | |b| "},
  };
  for (const SplitCase& c : cases) {
    EXPECT_EQ(SplitWords(c.pattern, c.behavior, c.invert, c.text), c.words)
        << c.pattern << " on '" << c.text << "', behavior " << static_cast<int>(c.behavior)
        << (c.invert ? ", inverted" : "");
  }
}

TEST(PreTokenizer, RunsStagesInOrder) {
  std::vector<PreTokenizer::Split> splits;
  splits.push_back({*Pattern::Compile(" "), Behavior::kRemoved, false});
  splits.push_back({*Pattern::Literal("."), Behavior::kMergedWithPrevious, false});
  const PreTokenizer pre_tokenizer(std::move(splits), {true, *Pattern::Compile(R"(\p{L}+)")});
  EXPECT_EQ(Words(pre_tokenizer, "ab.c d."), " |ab|.| |c| |d|.");
}

TEST(PreTokenizer, AddsAPrefixSpaceOnlyWhereThereIsNone) {
  const PreTokenizer pre_tokenizer({}, {true, std::nullopt});
  EXPECT_EQ(Words(pre_tokenizer, "Hi"), " Hi");
  EXPECT_EQ(Words(pre_tokenizer, " Hi"), " Hi");
  EXPECT_EQ(Words(pre_tokenizer, "\tHi"), " \tHi");
}

}  // namespace
}  // namespace shoal::preprocess
