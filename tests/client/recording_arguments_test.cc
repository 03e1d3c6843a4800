#include "client/recording_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StrEq;

RecordingArgument Reference(const std::string& path) { return {false, path}; }
RecordingArgument Transcript(const std::string& text) { return {true, text}; }

std::vector<std::string> Pairs(const std::vector<RecordingArgument>& arguments) {
  const auto recordings = PairRecordings(arguments);
  if (!recordings.ok()) return {std::string(recordings.status().message())};
  std::vector<std::string> pairs;
  for (const Recording& r : *recordings) pairs.push_back(r.path + "=" + r.transcript);
  return pairs;
}

TEST(TakeRecordings, TakesBothFlagsInTheirOrder) {
  std::vector<const char*> arguments = {"say",
                                        "text",
                                        "--reference",
                                        "a.wav",
                                        "--seed=1",
                                        "--transcript=One, two.",
                                        "--reference=b.wav",
                                        "-o",
                                        "out.wav",
                                        "--",
                                        "--reference",
                                        "c.wav"};
  const auto taken = TakeRecordings(&arguments);
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_FALSE(taken[0].is_transcript);
  EXPECT_EQ(taken[0].value, "a.wav");
  EXPECT_TRUE(taken[1].is_transcript);
  EXPECT_EQ(taken[1].value, "One, two.");
  EXPECT_FALSE(taken[2].is_transcript);
  EXPECT_EQ(taken[2].value, "b.wav");
  EXPECT_THAT(arguments,
              ElementsAre(StrEq("say"), StrEq("text"), StrEq("--seed=1"), StrEq("-o"),
                          StrEq("out.wav"), StrEq("--"), StrEq("--reference"), StrEq("c.wav")));
}

TEST(TakeRecordings, LeavesAFlagWithoutAValueAndOnesWithLongerNames) {
  std::vector<const char*> arguments = {"say", "--references=x", "--reference"};
  EXPECT_TRUE(TakeRecordings(&arguments).empty());
  EXPECT_EQ(arguments.size(), 3u);
}

TEST(PairRecordings, ATranscriptBelongsToTheRecordingBesideIt) {
  EXPECT_THAT(Pairs({}), ElementsAre());
  EXPECT_THAT(Pairs({Reference("a"), Transcript("A"), Reference("b"), Transcript("B")}),
              ElementsAre("a=A", "b=B"));
  EXPECT_THAT(Pairs({Transcript("A"), Reference("a"), Transcript("B"), Reference("b")}),
              ElementsAre("a=A", "b=B"));
  EXPECT_THAT(Pairs({Reference("a"), Reference("b"), Transcript("B")}), ElementsAre("a=", "b=B"));
}

TEST(PairRecordings, ATranscriptTooManyIsNamed) {
  EXPECT_THAT(Pairs({Transcript("A")}), ElementsAre(HasSubstr("--transcript: there is no")));
  EXPECT_THAT(Pairs({Reference("a"), Transcript("A"), Transcript("B")}),
              ElementsAre(HasSubstr("\"B\"")));
  EXPECT_THAT(Pairs({Transcript("A"), Transcript("B"), Reference("a")}),
              ElementsAre(HasSubstr("\"A\"")));
}

}  // namespace
}  // namespace shoal::client
