#include "services/preprocess/front/speech_length.h"

#include <gtest/gtest.h>

#include <string>

namespace shoal::preprocess {
namespace {

constexpr SpeechLengthLimits kLimits = {.most_seconds_per_byte = 0.5,
                                        .most_extra_seconds = 5,
                                        .least_seconds_per_byte = 0.01,
                                        .least_bytes = 20};

TEST(SpeechLength, SpeakerTagsAreNotHeard) {
  EXPECT_EQ(SpokenBytes(""), 0);
  EXPECT_EQ(SpokenBytes("hello"), 5);
  EXPECT_EQ(SpokenBytes("<|speaker:0|>hello\n<|speaker:12|>you"), 9);
  EXPECT_EQ(SpokenBytes("<|speaker:|> < <|"), 17);
  EXPECT_EQ(SpokenBytes("你好"), 6);
}

TEST(SpeechLength, AnyTextMayTakeTheExtraSeconds) {
  EXPECT_EQ(RunawayFrames(kLimits, "", 0.05), 100u);
  EXPECT_EQ(RunawayFrames(kLimits, "0123456789", 0.05), 200u);
  EXPECT_EQ(RunawayFrames(kLimits, "0123456789", 0.3), 34u) << "rounded up";
}

TEST(SpeechLength, AreOrdinarySpeechFarFromBothEnds) {
  const std::string text(120, 'a');
  for (const double seconds_per_byte : {0.05, 0.07, 0.12}) {
    EXPECT_GT(RunawayFrames(kLimits, text, 0.0464), 120 * seconds_per_byte / 0.0464);
    EXPECT_FALSE(TooShort(kLimits, text, 120 * seconds_per_byte));
  }
}

TEST(SpeechLength, OnlyLongTextsCanBeTooShort) {
  EXPECT_FALSE(TooShort(kLimits, "Hi!", 0));
  EXPECT_FALSE(TooShort(kLimits, std::string(20, 'a'), 0));
  EXPECT_TRUE(TooShort(kLimits, std::string(21, 'a'), 0.2));
  EXPECT_FALSE(TooShort(kLimits, std::string(21, 'a'), 0.22));
}

TEST(SpeechLength, ZeroSwitchesALimitOff) {
  EXPECT_EQ(RunawayFrames({.most_seconds_per_byte = 0}, "text", 0.05), 0u);
  EXPECT_FALSE(TooShort({.least_seconds_per_byte = 0}, std::string(100, 'a'), 0));
}

TEST(SpeechLength, AHugeTextStaysANumberOfFrames) {
  EXPECT_GT(RunawayFrames({.most_seconds_per_byte = 1e300}, "text", 0.05), 1000000u);
}

}  // namespace
}  // namespace shoal::preprocess
