#include "client/utf8_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::client {
namespace {

using ::testing::HasSubstr;

// One character of every length, and the outermost of each.
const std::string kText =
    "a\x7f"
    "\xc2\x80\xdf\xbf"
    "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
    "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";

TEST(Utf8Pieces, EveryCutGivesWholeCharactersAndTheSameText) {
  for (size_t cut = 0; cut <= kText.size(); ++cut) {
    Utf8Pieces pieces;
    const auto first = pieces.Add(kText.substr(0, cut));
    const auto second = pieces.Add(kText.substr(cut));
    ASSERT_TRUE(first.ok() && second.ok()) << cut;
    EXPECT_TRUE(CheckUtf8(*first).ok()) << cut;
    EXPECT_EQ(*first + *second, kText);
    EXPECT_TRUE(pieces.Finish().ok());
  }
}

TEST(Utf8Pieces, SingleBytesBecomeCharacters) {
  Utf8Pieces pieces;
  std::string text;
  for (const char byte : kText) {
    const auto piece = pieces.Add(std::string(1, byte));
    ASSERT_TRUE(piece.ok());
    EXPECT_TRUE(CheckUtf8(*piece).ok());
    text += *piece;
  }
  EXPECT_EQ(text, kText);
}

TEST(Utf8Pieces, AnEndInsideACharacterIsAnError) {
  Utf8Pieces pieces;
  EXPECT_EQ(pieces.Add("ab\xe2\x82").value(), "ab");
  EXPECT_THAT(std::string(pieces.Finish().message()), HasSubstr("incomplete character at byte 2"));
}

TEST(Utf8Pieces, ErrorsTellTheByteOfTheStream) {
  Utf8Pieces pieces;
  EXPECT_EQ(pieces.Add("abc\xc3").value(), "abc");
  EXPECT_EQ(pieces
                .Add("\xa9"
                     "d")
                .value(),
            "\xc3\xa9"
            "d");
  EXPECT_THAT(std::string(pieces.Add("e\xff").status().message()), HasSubstr("0xFF at byte 7"));
}

TEST(CheckUtf8, RefusesWhatIsNoCharacter) {
  for (const char* wrong : {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3(", "\xe0\x9f\xbf",
                            "\xed\xa0\x80", "\xe2\x28\xa1", "\xe2\x82", "\xf0\x8f\xbf\xbf",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    EXPECT_FALSE(CheckUtf8(wrong).ok()) << ::testing::PrintToString(std::string(wrong));
  }
  EXPECT_TRUE(CheckUtf8("").ok());
}

}  // namespace
}  // namespace shoal::client
