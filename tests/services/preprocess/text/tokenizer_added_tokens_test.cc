#include "services/preprocess/text/tokenizer_added_tokens.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

AddedToken Token(int32_t id, const std::string& content) {
  AddedToken token;
  token.id = id;
  token.content = content;
  return token;
}

// Tokens as <id>, ordinary text in quotes.
std::string Show(const std::vector<AddedToken>& tokens, absl::string_view text) {
  AddedTokenMatcher matcher;
  for (const AddedToken& token : tokens) matcher.Add(token.content, token);
  std::string shown;
  for (const AddedTokenMatcher::Segment& segment : matcher.Cut(text)) {
    if (segment.id) {
      absl::StrAppend(&shown, "<", *segment.id, ">");
    } else {
      absl::StrAppend(&shown, "'", segment.text, "'");
    }
  }
  return shown;
}

// Expected values here and below come from the Hugging Face tokenizers library, 0.23.
TEST(AddedTokenMatcher, TakesTheLeftmostThenTheLongest) {
  const std::vector<AddedToken> tokens = {Token(1, "<|a"), Token(2, "<|ab|>"), Token(3, "b|><|")};
  EXPECT_EQ(Show(tokens, "<|ab|><|"), "<2>'<|'");
  EXPECT_EQ(Show(tokens, "<|ab|"), "<1>'b|'");
  EXPECT_EQ(Show(tokens, "x<|<|ab|>"), "'x<|'<2>");
  EXPECT_EQ(Show(tokens, "<|ab|><|a"), "<2><1>");
  EXPECT_EQ(Show(tokens, ""), "");
  EXPECT_EQ(Show({}, "<|a"), "'<|a'");
}

TEST(AddedTokenMatcher, SingleWordsStandAlone) {
  std::vector<AddedToken> tokens = {Token(1, "<w>"), Token(2, "ab"), Token(3, "abc")};
  tokens[0].single_word = tokens[1].single_word = true;
  EXPECT_EQ(Show(tokens, "a<w>b"), "'a<w>b'");
  EXPECT_EQ(Show(tokens, " <w> "), "' '<1>' '");
  EXPECT_EQ(Show(tokens, "<w><w>"), "<1><1>");
  EXPECT_EQ(Show(tokens, "é<w>"), "'é<w>'");
  EXPECT_EQ(Show(tokens, "x ab y"), "'x '<2>' y'");
  EXPECT_EQ(Show(tokens, "xaby"), "'xaby'");
  EXPECT_EQ(Show(tokens, "abab"), "'abab'");
  EXPECT_EQ(Show(tokens, "xabc"), "'x'<3>");
  EXPECT_EQ(Show(tokens, "ab_"), "'ab_'");
  EXPECT_EQ(Show(tokens, "ab\u0301"), "'ab\u0301'");
  EXPECT_EQ(Show(tokens, "ab\u200D"), "'ab\u200D'");
  EXPECT_EQ(Show(tokens, "ab."), "<2>'.'");
}

TEST(AddedTokenMatcher, StripsTakeTheWhiteSpaceAlong) {
  std::vector<AddedToken> tokens = {Token(1, "<l>"), Token(2, "<r>"), Token(3, "<b>"),
                                    Token(4, " s")};
  tokens[0].lstrip = tokens[2].lstrip = true;
  tokens[1].rstrip = tokens[2].rstrip = true;
  EXPECT_EQ(Show(tokens, "x  <l>  y"), "'x'<1>'  y'");
  EXPECT_EQ(Show(tokens, "x  <r>  y"), "'x  '<2>'y'");
  EXPECT_EQ(Show(tokens, "x \n<b>\u3000\u0085y"), "'x'<3>'y'");
  EXPECT_EQ(Show(tokens, "<r>  <l>"), "<2><1>");
  EXPECT_EQ(Show(tokens, "<r>  <b>  <l>z"), "<2><3><1>'z'");
  EXPECT_EQ(Show(tokens, "<r>  s"), "<2><4>");
  EXPECT_EQ(Show(tokens, "\x1C<l>"), "'\x1C'<1>");
  EXPECT_EQ(Show(tokens, "\u180E<l>"), "'\u180E'<1>");
}

}  // namespace
}  // namespace shoal::preprocess
