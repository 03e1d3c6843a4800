#include "services/preprocess/text/tokenizer_nfc.h"

#include <random>
#include <string>

#include "gtest/gtest.h"
#include "unicode/normalizer2.h"
#include "unicode/unistr.h"

namespace shoal::preprocess {
namespace {

std::string IcuNfc(const std::string& text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::UnicodeString normal =
      icu::Normalizer2::getNFCInstance(error)->normalize(icu::UnicodeString::fromUTF8(text), error);
  EXPECT_TRUE(U_SUCCESS(error));
  std::string utf8;
  normal.toUTF8String(utf8);
  return utf8;
}

std::string Nfc(const std::string& text) {
  std::string storage;
  return std::string(*ToNfc(text, storage));
}

TEST(Nfc, Composes) {
  EXPECT_EQ(Nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(Nfc("a\u0323\u0302"), "\u1EAD");
  EXPECT_EQ(Nfc("a\u0302\u0323"), "\u1EAD");
  EXPECT_EQ(Nfc("\u1100\u1161\u11A8"), "\uAC01");
  EXPECT_EQ(Nfc("\u0958"), "\u0915\u093C");  // excluded from composition
  EXPECT_EQ(Nfc("\u212B"), "\u00C5");
  EXPECT_EQ(Nfc("plain caf\u00E9"), "plain caf\u00E9");
}

// Marks of many classes, marks that decompose, and U+0F73, whose own class is 0.
TEST(Nfc, LongRunsOfMarksComeOutAsFromIcu) {
  const char* const starters[] = {"", "a", "\u00E9", "\u1EAD", "\uAC00", "\u0915", "\u0F71"};
  const char* const marks[] = {"\u0301", "\u0302", "\u0323",     "\u0316", "\u0345", "\u0327",
                               "\u0344", "\u0F73", "\u0F75",     "\u0F81", "\u0F72", "\u093C",
                               "\u05B0", "\u3099", "\U0001D165", "\u0308"};
  std::mt19937 random(3);
  for (int trial = 0; trial < 400; ++trial) {
    std::string text;
    for (int run = 0; run < 3; ++run) {
      text += starters[random() % std::size(starters)];
      for (size_t i = random() % 90; i > 0; --i) text += marks[random() % std::size(marks)];
    }
    ASSERT_EQ(Nfc(text), IcuNfc(text));
  }
}

// ICU alone takes hours here.
TEST(Nfc, AMegabyteOfAlternatingMarksIsPutInOrder) {
  std::string text = "a", expected = "\u1EA1";
  for (int i = 0; i < 250'000; ++i) text += "\u0301\u0323";
  for (int i = 1; i < 250'000; ++i) expected += "\u0323";
  for (int i = 0; i < 250'000; ++i) expected += "\u0301";
  EXPECT_TRUE(Nfc(text) == expected);
}

}  // namespace
}  // namespace shoal::preprocess
