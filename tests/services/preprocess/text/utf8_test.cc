#include "services/preprocess/text/utf8.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

struct Broken {
  std::string text;
  size_t offset;
};

TEST(Utf8, FindsTheFirstInvalidByte) {
  const Broken cases[] = {
      {"\x80", 0},
      {"ab\xC0\x80", 2},                   // overlong
      {"\xE0\x9F\xBF", 0},                 // overlong
      {"\xF0\x8F\xBF\xBF", 0},             // overlong
      {"x\xED\xA0\x80", 1},                // a surrogate
      {"\xF4\x90\x80\x80", 0},             // past U+10FFFF
      {"\xF5\x80\x80\x80", 0},             // no such lead byte
      {"\xC3\xA9\xC3", 2},                 // cut off
      {"\xE2\x82\xAC\xE2\x82", 3},         // cut off
      {"\xE2\x82\xAC\xE2z\xAC", 3},        // a wrong continuation
      {"\xF0\x9F\x98\x80\xF0\x9F\x98", 4}  // cut off
  };
  for (const Broken& broken : cases) EXPECT_EQ(FindInvalidUtf8(broken.text), broken.offset);
}

TEST(Utf8, AcceptsTheEndsOfEveryRange) {
  const std::string text(
      "\0\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80"
      "\xF4\x8F\xBF\xBF",
      26);
  EXPECT_EQ(FindInvalidUtf8(text), std::nullopt);
  std::vector<char32_t> points;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = DecodeUtf8(text, at);
    at += c.length;
    points.push_back(c.value);
    EXPECT_EQ(PreviousUtf8(text, at), at - c.length);
  }
  EXPECT_EQ(points, (std::vector<char32_t>{0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF,
                                           0x10000, 0x10FFFF}));
}

TEST(Utf8, CountsOnlyBytesThatCanStillBecomeACharacter) {
  EXPECT_EQ(IncompleteUtf8Suffix(""), 0u);
  EXPECT_EQ(IncompleteUtf8Suffix("abc"), 0u);
  EXPECT_EQ(IncompleteUtf8Suffix("a\xC3"), 1u);
  EXPECT_EQ(IncompleteUtf8Suffix("a\xC3\xA9"), 0u);
  EXPECT_EQ(IncompleteUtf8Suffix("\xE2\x82"), 2u);
  EXPECT_EQ(IncompleteUtf8Suffix("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(IncompleteUtf8Suffix("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(IncompleteUtf8Suffix("\xED\xA0"), 0u);  // would be a surrogate
  EXPECT_EQ(IncompleteUtf8Suffix("\xC0"), 0u);      // begins nothing
  EXPECT_EQ(IncompleteUtf8Suffix("\x80\x80\x80\x80"), 0u);
}

TEST(Utf8, StripsWhatTheAuthorsStrip) {
  EXPECT_EQ(StripWhiteSpace(" \t\n\x1C\xC2\x85\xC2\xA0\xE3\x80\x80x y\xE2\x80\xA8\r\n"), "x y");
  EXPECT_EQ(StripWhiteSpace("\xE2\x80\x8Bx"), "\xE2\x80\x8Bx");  // zero width space is none
  EXPECT_EQ(StripWhiteSpace(" \n "), "");
  EXPECT_EQ(StripLeadingWhiteSpace(" x "), "x ");
  EXPECT_EQ(StripTrailingWhiteSpace(" x "), " x");
}

}  // namespace
}  // namespace shoal::preprocess
