#include "services/preprocess/text/pre_tokenizer_pattern.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What matches in brackets, what does not as it is.
std::string Show(absl::string_view pattern, const std::string& text) {
  const absl::StatusOr<Pattern> compiled = Pattern::Compile(pattern);
  if (!compiled.ok()) return compiled.status().ToString();
  std::string shown;
  const std::vector<Pattern::Range> ranges = *compiled->Cut(text);
  for (const Pattern::Range& range : ranges) {
    const std::string part = text.substr(range.begin, range.end - range.begin);
    shown += range.matched ? "[" + part + "]" : part;
  }
  return shown;
}

TEST(Pattern, ReadsWhiteSpaceAsOnigurumaDoes) {
  // U+180E is no white space; U+0085 and U+3000 are.
  EXPECT_EQ(Show(R"(\s)", "a\u180Eb"), "a\u180Eb");
  EXPECT_EQ(Show(R"(\S+)", "a\u180Eb c"), "[a\u180Eb] [c]");
  EXPECT_EQ(Show(R"([^\s\p{L}]+)", "a\u180E\u200B\u0085!"), "a[\u180E\u200B]\u0085[!]");
  EXPECT_EQ(Show(R"(\s+)", "a\u0085\u3000\u2028 \t\vb"), "a[\u0085\u3000\u2028 \t\v]b");
}

TEST(Pattern, ReadsLinesAsRubyDoes) {
  EXPECT_EQ(Show("^x", "xa\nxb\n"), "[x]a\n[x]b\n");
  EXPECT_EQ(Show("[ab]$", "xa\nxb\n"), "x[a]\nx[b]\n");
  EXPECT_EQ(Show("a.b", "a\nba\rb"), "a\nb[a\rb]");
}

TEST(Pattern, FoldsCaseInUnicode) {
  EXPECT_EQ(Show("(?i:'s|'ll)x?", "'S 'ſ 'LL 's"), "['S] ['ſ] ['LL] ['s]");
}

TEST(Pattern, CutsAtEmptyMatchesOnceEach) {
  EXPECT_EQ(Show("x*", "axé"), "[]a[x]é[]");
  EXPECT_EQ(Show("x*", ""), "[]");
}

TEST(Pattern, AcceptsOtherModelsPatterns) {
  for (
      const char* pattern :
      {R"([^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
       R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
       R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?)",
       R"([\u4e00-\u9fa5\x{3400}-\x{4dbf}]+|\d{2,}?|\P{^L})"}) {
    EXPECT_TRUE(Pattern::Compile(pattern).ok()) << Pattern::Compile(pattern).status();
  }
}

TEST(Pattern, RefusesWhatTheEnginesReadDifferently) {
  for (const char* pattern : {R"(\w+)",  R"(\bx)",  R"(\h)",       R"(\R)",
                              R"(\X)",   R"(\1)",   R"(\p{Han})",  R"(\p{Alphabetic})",
                              R"(\pL)",  R"([\S])", "[[:alpha:]]", "[a&&b]",
                              "[]a]",    "(?m:.)",  "(?<n>x)",     "(?P<n>x)",
                              "x{,3}",   "x{2}+",   "x{2}?",       "x{",
                              R"(\xE9)", R"(\x{})", R"(\u12)",     "[a",
                              "\\"}) {
    const absl::Status status = Pattern::Compile(pattern).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_THAT(std::string(status.message()), HasSubstr("not supported")) << pattern;
  }
  EXPECT_EQ(Pattern::Compile("(x").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Pattern, LiteralMatchesItself) {
  const Pattern pattern = *Pattern::Literal(".*é|");
  const std::vector<Pattern::Range> ranges = *pattern.Cut("a.*é|b");
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[1].begin, 1u);
  EXPECT_EQ(ranges[1].end, 6u);
  EXPECT_TRUE(ranges[1].matched);
}

// Backtracking over a long run once failed with PCRE2's default match limit.
TEST(Pattern, HasNoLimitOnTheLengthOfARun) {
  const Pattern pattern = *Pattern::Compile(R"(\s*[\r\n]+|\s+(?!\S)|\s+)");
  const std::string text = std::string(20'000'000, ' ') + "x";
  const absl::StatusOr<std::vector<Pattern::Range>> ranges = pattern.Cut(text);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  ASSERT_EQ(ranges->size(), 3u);
  EXPECT_EQ((*ranges)[0].end, text.size() - 2);
}

TEST(Pattern, FallsBackWhenTheCompiledStackIsTooSmall) {
  const Pattern pattern = *Pattern::Compile("(?:(a)|b)+c");
  const std::string text = std::string(200'000, 'a') + "c";
  const absl::StatusOr<std::vector<Pattern::Range>> ranges = pattern.Cut(text);
  ASSERT_TRUE(ranges.ok()) << ranges.status();
  ASSERT_EQ(ranges->size(), 1u);
  EXPECT_EQ((*ranges)[0].end, text.size());
}

}  // namespace
}  // namespace shoal::preprocess
