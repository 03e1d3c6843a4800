#include "services/preprocess/text/bpe.h"

#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::preprocess {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Merges = std::vector<std::pair<std::string, std::string>>;

Vocabulary Bytes() {
  Vocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[ToByteLevel(std::string(1, static_cast<char>(byte)))] = byte;
  }
  return vocabulary;
}

Vocabulary BytesAnd(const Merges& merges) {
  Vocabulary vocabulary = Bytes();
  for (const auto& [left, right] : merges) {
    vocabulary.try_emplace(left + right, static_cast<int32_t>(vocabulary.size()));
  }
  return vocabulary;
}

std::vector<int32_t> Encode(const Bpe& bpe, absl::string_view word,
                            Bpe::AddedTokens added = Bpe::AddedTokens::kAllowed) {
  Bpe::Scratch scratch;
  std::vector<int32_t> ids;
  bpe.Append(word, added, scratch, ids);
  return ids;
}

// Always merges the leftmost pair of the lowest rank, by looking at all of them.
std::vector<std::string> MergeByLooking(const Merges& merges, absl::string_view word) {
  std::vector<std::string> parts;
  for (const char byte : word) parts.push_back(std::string(1, byte));
  for (;;) {
    size_t best = merges.size(), at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      for (size_t rank = 0; rank < best; ++rank) {
        if (merges[rank].first == parts[i] && merges[rank].second == parts[i + 1]) {
          best = rank;
          at = i;
        }
      }
    }
    if (best == merges.size()) return parts;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + at + 1);
  }
}

TEST(Bpe, MergesLeftmostFirstAmongEquals) {
  const Merges merges = {{"a", "a"}};
  const Bpe bpe = *Bpe::Create(BytesAnd(merges), merges, false, {});
  EXPECT_THAT(Encode(bpe, "aaa"), ElementsAre(256, 'a'));
  EXPECT_THAT(Encode(bpe, "aaaa"), ElementsAre(256, 256));
  EXPECT_THAT(Encode(bpe, ""), ElementsAre());
}

TEST(Bpe, EqualsMergingByLookingOnRandomMergeLists) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 300; ++trial) {
    // Merge lists that training would not make too: products of later merges used by earlier ones.
    std::vector<std::string> entries = {"a", "b", "c"};
    Merges merges;
    for (int i = 0; i < 12; ++i) {
      const std::string left = entries[random() % entries.size()];
      const std::string right = entries[random() % entries.size()];
      if (left.size() + right.size() > 6) continue;
      bool listed = false;
      for (const auto& merge : merges) listed |= merge.first == left && merge.second == right;
      if (listed) continue;
      merges.insert(merges.begin() + random() % (merges.size() + 1), {left, right});
      entries.push_back(left + right);
    }
    const Vocabulary vocabulary = BytesAnd(merges);
    const Bpe bpe = *Bpe::Create(vocabulary, merges, false, {});
    for (int word = 0; word < 30; ++word) {
      std::string text;
      for (size_t i = random() % 40; i > 0; --i) text += "abc"[random() % 3];
      std::vector<int32_t> expected;
      for (const std::string& part : MergeByLooking(merges, text)) {
        expected.push_back(vocabulary.at(part));
      }
      ASSERT_EQ(Encode(bpe, text), expected) << text;
    }
  }
}

TEST(Bpe, TakesAWholeWordFirstWhenMergesAreIgnored) {
  const Merges merges = {{"a", "b"}};
  Vocabulary vocabulary = BytesAnd(merges);
  vocabulary["abab"] = 900;
  EXPECT_THAT(Encode(*Bpe::Create(vocabulary, merges, true, {}), "abab"), ElementsAre(900));
  EXPECT_THAT(Encode(*Bpe::Create(vocabulary, merges, false, {}), "abab"), ElementsAre(256, 256));
}

TEST(Bpe, NeverMakesAnAddedTokenUnlessAllowed) {
  const Merges merges = {{"a", "b"}, {"b", "c"}};
  const Vocabulary vocabulary = BytesAnd(merges);
  for (const bool ignore_merges : {false, true}) {
    const Bpe bpe = *Bpe::Create(vocabulary, merges, ignore_merges, {256});
    EXPECT_THAT(Encode(bpe, "ab"), ElementsAre(256));
    EXPECT_THAT(Encode(bpe, "ab", Bpe::AddedTokens::kNever), ElementsAre('a', 'b'));
    EXPECT_THAT(Encode(bpe, "abc", Bpe::AddedTokens::kNever), ElementsAre('a', 257));
  }
}

TEST(Bpe, OfAPairListedTwiceTheLastCounts) {
  const Merges merges = {{"a", "b"}, {"b", "c"}, {"a", "b"}};
  const Bpe bpe = *Bpe::Create(BytesAnd(merges), merges, false, {});
  EXPECT_THAT(Encode(bpe, "abc"), ElementsAre('a', 257));
}

TEST(Bpe, RefusesAVocabularyWithHoles) {
  Vocabulary vocabulary = Bytes();
  vocabulary.erase("z");
  EXPECT_THAT(std::string(Bpe::Create(vocabulary, {}, false, {}).status().message()),
              HasSubstr("model.vocab: no entry \"z\""));
  const Merges merges = {{"a", "b"}, {"ab", "q!"}};
  EXPECT_THAT(
      std::string(Bpe::Create(BytesAnd({{"a", "b"}}), merges, false, {}).status().message()),
      HasSubstr("model.merges[1]: \"q!\" is not in model.vocab"));
}

TEST(Bpe, ByteLevelAlphabetIsGpt2s) {
  EXPECT_EQ(ToByteLevel(" \n\t!~"), "ĠĊĉ!~");
  EXPECT_EQ(ToByteLevel("\x7F\xA0\xA1\xAD\xFF"), "ġł¡Ńÿ");
}

}  // namespace
}  // namespace shoal::preprocess
