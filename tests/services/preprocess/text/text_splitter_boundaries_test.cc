#include "services/preprocess/text/text_splitter_boundaries.h"

#include <string>

#include "gtest/gtest.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

// The text with every sentence end shown as "|" and every clause end as "/".
std::string Show(const std::string& text) {
  BoundaryFinder finder;
  std::string shown;
  size_t sentence = 0, clause = 0, copied = 0;
  const auto mark = [&](size_t at, char sign) {
    shown += text.substr(copied, at - copied) + sign;
    copied = at;
  };
  for (size_t offset = 0; offset < text.size();) {
    const CodePoint c = DecodeUtf8(text, offset);
    finder.Feed(text, offset, c.length, c.value);
    offset += c.length;
    if (finder.sentence() != sentence) mark(sentence = finder.sentence(), '|');
    if (finder.clause() != clause) mark(clause = finder.clause(), '/');
  }
  return shown + text.substr(copied);
}

TEST(BoundaryFinder, EndsSentencesInLatinScript) {
  EXPECT_EQ(Show("One. Two! Three? Four"), "One.| Two!| Three?| Four");
  EXPECT_EQ(Show("He said \"Stop!\" Then (he left.) No"), "He said \"Stop!\"| Then (he left.)| No");
  EXPECT_EQ(Show("Wait... What?! Ok\u2026 Yes"), "Wait...| What?!| Ok\u2026| Yes");
  EXPECT_EQ(Show("«Oui.» Bien. „Gut.“ Ja"), "«Oui.»| Bien.| „Gut.“ Ja");
  EXPECT_EQ(Show("¿Qué? ¡Vale! 7 más. 8"), "¿Qué?| ¡Vale!| 7 más.| 8");
}

TEST(BoundaryFinder, GoesOnBeforeLowerCase) {
  EXPECT_EQ(Show("\"Why?\" he asked. and so"), "\"Why?\"/ he asked./ and so");
  EXPECT_EQ(Show("well... maybe"), "well.../ maybe");
}

TEST(BoundaryFinder, KnowsAbbreviationsInitialsAndNumbers) {
  EXPECT_EQ(Show("Dr. Smith met J. R. Tolkien"), "Dr./ Smith met J./ R./ Tolkien");
  EXPECT_EQ(Show("See e.g. Berlin, the U.S. Army"), "See e.g./ Berlin,/ the U.S./ Army");
  EXPECT_EQ(Show("am 3. Mai und MR. X"), "am 3./ Mai und MR./ X");
  EXPECT_EQ(Show("In 1984. Then 3.14 of 1,000 at 7:30. Yes"),
            "In 1984.| Then 3.14 of 1,000 at 7:30./ Yes");
  EXPECT_EQ(Show("на ул. Ленина жил. Он"), "на ул./ Ленина жил.| Он");
  EXPECT_EQ(Show("example.com/a?b=c. Next"), "example.com/a?b=c./ Next");
  EXPECT_EQ(Show("네. 알겠습니다. 네"), "네.| 알겠습니다.| 네");
}

TEST(BoundaryFinder, EndsSentencesInOtherScripts) {
  EXPECT_EQ(Show("你好。再见！真的？「好。」他"), "你好。|再见！|真的？|「好。」|他");
  EXPECT_EQ(Show("مرحبا؟ نعم۔ لا، ثم"), "مرحبا؟| نعم۔| لا،/ ثم");
  EXPECT_EQ(Show("यह है। वह॥क"), "यह है।| वह॥|क");
  EXPECT_EQ(Show("ሰላም። ደህና፣ እሺ"), "ሰላም።| ደህና፣/ እሺ");
  EXPECT_EQ(Show("Բարեւ։ Այո"), "Բարեւ։| Այո");
  EXPECT_EQ(Show("ｱｲ｡ｳ"), "ｱｲ｡|ｳ");
}

TEST(BoundaryFinder, EndsClauses) {
  EXPECT_EQ(Show("a, b; c: d e—f"), "a,/ b;/ c:/ d e—/f");
  EXPECT_EQ(Show("一，二、三：10：30"), "一，/二、/三：10：30");
  EXPECT_EQ(Show("etc., then"), "etc.,/ then");
}

TEST(BoundaryFinder, ReadsLineBreaks) {
  EXPECT_EQ(Show("one\ntwo\n\nthree\r\n\r\nfour\r\nfive"),
            "one/\ntwo|\n\nthree|\r\n\r\nfour/\r\nfive");
  EXPECT_EQ(Show("Mr.\nX. \n Y"), "Mr./\nX./ \n Y");
  EXPECT_EQ(Show("a \u2029b"), "a| \u2029b");
}

TEST(BoundaryFinder, FindsTheLastWhiteSpace) {
  BoundaryFinder finder;
  const std::string text = " ab cd  ef";
  for (size_t i = 0; i < text.size(); ++i) finder.Feed(text, i, 1, text[i]);
  EXPECT_EQ(finder.white_space(), 6u);
}

TEST(LastBreak, PrefersPlacesWhereALineMayBreak) {
  const std::string chinese = "天地玄黄，宇宙洪荒";
  // Not before the comma.
  EXPECT_EQ(LastBreak(chinese, 12, 1, {}), 9u);
  EXPECT_EQ(LastBreak(chinese, 15, 1, {}), 15u);
  const std::string thai = "สวัสดีครับ";  // two words, 18 and 12 bytes
  EXPECT_EQ(LastBreak(thai, 27, 1, {}), 18u);
}

TEST(LastBreak, KeepsCharactersAsTheyAreSeenWhole) {
  const std::string text = "aaaaae\u0301\u0302z";
  EXPECT_EQ(LastBreak(text, 6, 1, {}), 5u);
  EXPECT_EQ(LastBreak(text, 8, 1, {}), 5u);
  EXPECT_EQ(LastBreak(text, 10, 1, {}), 10u);
  const std::string flags = "🇯🇵🇩🇪";
  EXPECT_EQ(LastBreak(flags, 12, 1, {}), 8u);
  // One character of any length: there is no better place.
  EXPECT_EQ(LastBreak("e\u0301\u0302\u0303", 5, 1, {}), 5u);
}

TEST(LastBreak, StaysOutOfSpans) {
  const std::pair<size_t, size_t> spans[] = {{3, 9}};
  EXPECT_EQ(LastBreak("aaa<b c d>", 9, 1, spans), 9u);
  const std::string text = "aaa<b c d>xxxx";
  const std::pair<size_t, size_t> wide[] = {{3, 10}};
  EXPECT_EQ(LastBreak(text, 10, 1, wide), 10u);
  EXPECT_EQ(LastBreak("一[一一]一", 8, 1, std::vector<std::pair<size_t, size_t>>{{3, 11}}), 3u);
}

}  // namespace
}  // namespace shoal::preprocess
