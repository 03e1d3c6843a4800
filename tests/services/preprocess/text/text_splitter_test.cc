#include "services/preprocess/text/text_splitter.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/preprocess/text/turns.h"
#include "services/preprocess/text/utf8.h"

namespace shoal::preprocess {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Turns = std::vector<std::string>;

void Add(Turns& turns, absl::StatusOr<Turns> more) {
  ASSERT_TRUE(more.ok()) << more.status();
  for (std::string& turn : *more) turns.push_back(std::move(turn));
}

// The turns of a text that comes at once.
Turns Split(absl::string_view text, int64_t chunk_length = 100) {
  TextSplitter splitter = *TextSplitter::Create(chunk_length);
  Turns turns;
  Add(turns, splitter.Append(text));
  Add(turns, splitter.Finish());
  return turns;
}

std::string Repeat(absl::string_view unit, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) absl::StrAppend(&text, unit);
  return text;
}

TEST(TextSplitter, ShortTextIsOneTurn) {
  EXPECT_THAT(Split(" Hello there. How are you?\n"), ElementsAre("Hello there. How are you?"));
  EXPECT_THAT(Split(""), ElementsAre());
  EXPECT_THAT(Split(" \n\t\u3000 "), ElementsAre());
}

TEST(TextSplitter, CutsAtTheLastSentenceEndThatFits) {
  const std::string sentence = "Forty bytes are in this sentence, about. ";  // 41 bytes
  const std::string pair = sentence + "Forty bytes are in this sentence, about.";
  EXPECT_THAT(Split(Repeat(sentence, 5)),
              ElementsAre(pair, pair, "Forty bytes are in this sentence, about."));
  EXPECT_THAT(Split("Hi. " + Repeat("Word ", 30)),
              ElementsAre("Hi.", Repeat("Word ", 19) + "Word", Repeat("Word ", 9) + "Word"));
}

TEST(TextSplitter, CutsLongSentencesAtClausesThenSpaces) {
  EXPECT_THAT(Split(Repeat("a", 40) + ", " + Repeat("b", 40) + " " + Repeat("c", 40) + "."),
              ElementsAre(Repeat("a", 40) + ",", Repeat("b", 40) + " " + Repeat("c", 40) + "."));
  // A comma in the first quarter would make too short a turn.
  EXPECT_THAT(Split("Oh, " + Repeat("b", 40) + " " + Repeat("c", 40) + " " + Repeat("d", 40)),
              ElementsAre("Oh, " + Repeat("b", 40) + " " + Repeat("c", 40), Repeat("d", 40)));
}

TEST(TextSplitter, CutsTextWithoutSpacesBetweenCharacters) {
  EXPECT_THAT(Split(Repeat("x", 250)),
              ElementsAre(Repeat("x", 100), Repeat("x", 100), Repeat("x", 50)));
  EXPECT_THAT(Split(Repeat("漢", 40)), ElementsAre(Repeat("漢", 33), Repeat("漢", 7)));
  const std::string family = "👨‍👩‍👧‍👦";  // 25 bytes, one character to the eye
  EXPECT_THAT(Split(Repeat(family, 4) + "z" + family),
              ElementsAre(Repeat(family, 4), "z" + family));
  EXPECT_THAT(Split("a" + Repeat(family, 4)), ElementsAre("a" + Repeat(family, 3), family));
}

TEST(TextSplitter, ATurnMayHaveExactlyChunkLengthBytes) {
  const std::string text = Repeat("a", 99) + ".";
  EXPECT_THAT(Split(text), ElementsAre(text));
  EXPECT_THAT(Split(text + "  \n"), ElementsAre(text));
  EXPECT_THAT(Split(text + " B."), ElementsAre(text, "B."));
}

TEST(TextSplitter, SpeakerPartsShareATurnAsInDialogues) {
  EXPECT_THAT(Split("<|speaker:0|>a<|speaker:1|> b \n<|speaker:0|>c"),
              ElementsAre("<|speaker:0|>a\n<|speaker:1|> b\n<|speaker:0|>c"));
  const std::string six = Repeat("<|speaker:0|>a", 6);
  EXPECT_THAT(Split(six), ElementsAre("<|speaker:0|>a\n<|speaker:0|>a\n<|speaker:0|>a\n"
                                      "<|speaker:0|>a\n<|speaker:0|>a",
                                      "<|speaker:0|>a"));
  EXPECT_THAT(Split("Prologue. <|speaker:1|>a"), ElementsAre("Prologue.\n<|speaker:1|>a"));
  EXPECT_THAT(Split("<|speaker:1|> <|speaker:2|>b<|speaker:3|>\n"), ElementsAre("<|speaker:2|>b"));
}

TEST(TextSplitter, APartThatIsCutKeepsItsSpeaker) {
  const std::string one = "One sentence of this speaker, of some bytes.";
  EXPECT_THAT(Split("<|speaker:7|> " + one + " " + one + " " + one + "<|speaker:8|>x"),
              ElementsAre("<|speaker:7|>" + one, "<|speaker:7|>" + one,
                          "<|speaker:7|>" + one + "\n<|speaker:8|>x"));
}

TEST(TextSplitter, NeverCutsInsideTagsAndPhonemes) {
  const std::string tag = "[in a very small voice, please. Really]";
  EXPECT_THAT(Split(Repeat("a", 80) + " " + tag + " b"), ElementsAre(Repeat("a", 80), tag + " b"));
  const std::string phonemes = "<|phoneme_start|>AH0 B. C D<|phoneme_end|>";
  EXPECT_THAT(Split(Repeat("a", 80) + phonemes), ElementsAre(Repeat("a", 80), phonemes));
  // What is never closed, or too long to be one, is text.
  EXPECT_THAT(Split("[" + Repeat("ab ", 50)).size(), 2u);
  EXPECT_THAT(Split("<|phoneme_start|>" + Repeat("ab ", 50)).size(), 2u);
  EXPECT_THAT(Split("[" + Repeat("a", 120) + "]"),
              ElementsAre("[" + Repeat("a", 99), Repeat("a", 21) + "]"));
  EXPECT_THAT(Split("[a <|speaker:1|>b]"), ElementsAre("[a\n<|speaker:1|>b]"));
}

TEST(TextSplitter, AFlushSpeaksWhatIsThere) {
  TextSplitter splitter = *TextSplitter::Create(100);
  EXPECT_THAT(*splitter.Append("<|speaker:3|>Well "), ElementsAre());
  EXPECT_THAT(*splitter.Flush(), ElementsAre("<|speaker:3|>Well"));
  EXPECT_THAT(*splitter.Flush(), ElementsAre());
  EXPECT_THAT(*splitter.Append(" then.<|spea"), ElementsAre());
  EXPECT_THAT(*splitter.Flush(), ElementsAre("<|speaker:3|>then.<|spea"));
  EXPECT_THAT(*splitter.Append("ker:4|>x"), ElementsAre());
  EXPECT_THAT(*splitter.Finish(), ElementsAre("<|speaker:3|>ker:4|>x"));
}

TEST(TextSplitter, ATurnComesAsSoonAsItIsCertain) {
  TextSplitter splitter = *TextSplitter::Create(100);
  const std::string first = Repeat("a", 50) + ". ";
  EXPECT_THAT(*splitter.Append(first + Repeat("B", 48)), ElementsAre());
  EXPECT_THAT(*splitter.Append("B"), ElementsAre(Repeat("a", 50) + "."));
  // Five parts are all that a turn holds: the tag after them closes the fifth.
  splitter = *TextSplitter::Create(100);
  EXPECT_THAT(*splitter.Append(Repeat("<|speaker:0|>a", 5) + "<|speaker:1|"), ElementsAre());
  EXPECT_EQ(splitter.Append(">")->size(), 1u);
  // A part that does not fit beside the others sends them off.
  splitter = *TextSplitter::Create(100);
  EXPECT_THAT(*splitter.Append("<|speaker:0|>a<|speaker:1|>" + Repeat("b", 73)), ElementsAre());
  EXPECT_THAT(*splitter.Append("b"), ElementsAre("<|speaker:0|>a"));
}

TEST(TextSplitter, RefusesInvalidUtf8NamingTheByte) {
  TextSplitter splitter = *TextSplitter::Create(100);
  ASSERT_TRUE(splitter.Append("ab\xE2\x82").ok());
  ASSERT_TRUE(splitter.Append("\xAC").ok());
  const absl::Status status = splitter.Append("c\xE2z").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at byte 6"));
  EXPECT_EQ(splitter.Append("fine").status(), status);
  EXPECT_EQ(splitter.Flush().status(), status);

  TextSplitter cut_off = *TextSplitter::Create(100);
  ASSERT_TRUE(cut_off.Append("a\xE2\x82").ok());
  EXPECT_THAT(std::string(cut_off.Finish().status().message()), HasSubstr("at byte 1"));
}

TEST(TextSplitter, ChunkLengthHasARange) {
  for (const int64_t length : {99, 0, -1, 1001}) {
    const absl::Status status = TextSplitter::Create(length).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("chunk_length"));
  }
  EXPECT_TRUE(TextSplitter::Create(100).ok());
  EXPECT_TRUE(TextSplitter::Create(1000).ok());
}

// Random texts of everything the rules speak of.
class RandomText {
 public:
  explicit RandomText(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }

  std::string Make(size_t units) {
    static const char* const kUnits[] = {" ",
                                         " ",
                                         " ",
                                         "\n",
                                         "\n\n",
                                         "  ",
                                         ". ",
                                         "! ",
                                         "? ",
                                         ", ",
                                         "; ",
                                         "...",
                                         "…",
                                         "。",
                                         "，",
                                         "？",
                                         "؟ ",
                                         "। ",
                                         "—",
                                         "word",
                                         "Word",
                                         "a",
                                         "B",
                                         "Dr. ",
                                         "e.g. ",
                                         "3.",
                                         "42",
                                         "\"",
                                         "'",
                                         ")",
                                         "”",
                                         "」",
                                         "漢字",
                                         "かな",
                                         "สวัสดี",
                                         "é",
                                         "e\u0301",
                                         "👨‍👩‍👧‍👦",
                                         "🇯🇵",
                                         "\u0301",
                                         "longerwordthanmost",
                                         "<|speaker:0|>",
                                         "<|speaker:12|>",
                                         "<|speaker:",
                                         "<|",
                                         "<",
                                         "[laugh]",
                                         "[a b. c]",
                                         "[",
                                         "]",
                                         "<|phoneme_start|>",
                                         "AH0 B",
                                         "<|phoneme_end|>",
                                         "\r\n",
                                         "\u00A0",
                                         "\u3000"};
    std::string text;
    for (; units > 0; --units) {
      const char* unit = kUnits[Below(std::size(kUnits))];
      const size_t times = Below(40) == 0 ? 1 + Below(150) : 1;
      for (size_t i = 0; i < times; ++i) text += unit;
    }
    return text;
  }

 private:
  std::mt19937 random_;
};

TEST(TextSplitterProperty, PiecesChangeNothing) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    RandomText random(seed);
    const int64_t chunk_length = 100 + random.Below(seed % 2 == 0 ? 20 : 901);
    TextSplitter whole = *TextSplitter::Create(chunk_length);
    TextSplitter pieces = *TextSplitter::Create(chunk_length);
    Turns expected, actual;
    std::string all;
    for (size_t flushes = random.Below(3) + 1; flushes > 0; --flushes) {
      const std::string text = random.Make(random.Below(300));
      all += text + "<flush>";
      Add(expected, whole.Append(text));
      Add(expected, whole.Flush());
      const size_t longest = 1 + random.Below(60);
      for (absl::string_view rest = text; !rest.empty();) {
        const absl::string_view piece = rest.substr(0, random.Below(longest + 1));
        Add(actual, pieces.Append(piece));
        rest.remove_prefix(piece.size());
      }
      Add(actual, pieces.Flush());
    }
    ASSERT_EQ(actual, expected) << "seed " << seed << ", chunk_length " << chunk_length << ": "
                                << all;
  }
}

// A text without its speaker tags and white space.
std::string Spoken(absl::string_view text) {
  std::string spoken;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = DecodeUtf8(text, at);
    if (const size_t tag = SpeakerTagLength(text.substr(at, kMaxSpeakerTagBytes))) {
      at += tag;
      continue;
    }
    if (!IsWhiteSpace(c.value)) absl::StrAppend(&spoken, text.substr(at, c.length));
    at += c.length;
  }
  return spoken;
}

TEST(TextSplitterProperty, NothingIsLostAndEveryTurnFits) {
  for (uint32_t seed = 1000; seed < 1400; ++seed) {
    RandomText random(seed);
    const size_t chunk_length = 100 + random.Below(seed % 2 == 0 ? 20 : 901);
    const std::string text = random.Make(random.Below(600));
    std::string together;
    for (const std::string& turn : Split(text, chunk_length)) {
      EXPECT_EQ(FindInvalidUtf8(turn), std::nullopt);
      EXPECT_EQ(StripWhiteSpace(turn), turn) << "seed " << seed;
      EXPECT_FALSE(Spoken(turn).empty()) << "seed " << seed << ": " << turn;
      EXPECT_LE(turn.size(), chunk_length + kMaxTurnsPerBatch - 1) << "seed " << seed;
      absl::StrAppend(&together, turn, "\n");
    }
    ASSERT_EQ(Spoken(together), Spoken(text)) << "seed " << seed;
  }
}

TEST(TextSplitterProperty, GroupsWholePartsAsDialogueBatchesDoes) {
  for (uint32_t seed = 2000; seed < 2300; ++seed) {
    RandomText random(seed);
    const int64_t chunk_length = 100 + random.Below(901);
    std::string text;
    for (size_t parts = 1 + random.Below(20); parts > 0; --parts) {
      absl::StrAppend(&text, "<|speaker:", random.Below(12), "|>x",
                      Repeat(random.Below(2) == 0 ? " ab. Cd" : "漢字。", random.Below(10)), " ");
    }
    ASSERT_EQ(Split(text, chunk_length), DialogueBatches(text, {chunk_length})) << text;
  }
}

TEST(TextSplitterProperty, BytesOfAMegabyteOneByOne) {
  for (const char* unit : {"a", " ", "\n", "a b. ", "漢", "[", "<|phoneme_start|>", "<|speaker:1|>",
                           "<|speaker:1|>a", "\u0301", ".", "a\u00A0", "สวัสดี"}) {
    TextSplitter splitter = *TextSplitter::Create(100);
    std::string text = Repeat(unit, 200'000 / static_cast<int>(std::string(unit).size()));
    Turns turns;
    for (const char& byte : text) Add(turns, splitter.Append(absl::string_view(&byte, 1)));
    Add(turns, splitter.Finish());
    EXPECT_EQ(turns, Split(text)) << unit;
    EXPECT_EQ(turns.empty(), Spoken(text).empty()) << unit;
  }
}

}  // namespace
}  // namespace shoal::preprocess
