#include "common/audio/sample_format.h"

#include <gtest/gtest.h>

#include <limits>

namespace shoal::audio {
namespace {

TEST(SampleFormat, Int16RoundsToTheNearestAndSaturates) {
  EXPECT_EQ(ToInt16(0.0f), 0);
  EXPECT_EQ(ToInt16(1.0f / 32768), 1);
  EXPECT_EQ(ToInt16(0.6f / 32768), 1);
  EXPECT_EQ(ToInt16(-0.6f / 32768), -1);
  EXPECT_EQ(ToInt16(0.4f / 32768), 0);
  EXPECT_EQ(ToInt16(0.5f), 16384);
  EXPECT_EQ(ToInt16(-1.0f), -32768);
  EXPECT_EQ(ToInt16(1.0f), 32767);
  EXPECT_EQ(ToInt16(7.0f), 32767);
  EXPECT_EQ(ToInt16(-7.0f), -32768);
  EXPECT_EQ(ToInt16(std::numeric_limits<float>::infinity()), 32767);
  EXPECT_EQ(ToInt16(-std::numeric_limits<float>::infinity()), -32768);
  EXPECT_EQ(ToInt16(std::numeric_limits<float>::quiet_NaN()), 0);
}

TEST(SampleFormat, EveryInt16SurvivesTheWayThroughFloat) {
  for (int value = -32768; value <= 32767; ++value) {
    ASSERT_EQ(ToInt16(static_cast<float>(value) / 32768.0f), value);
  }
}

TEST(SampleFormat, BytesAreLittleEndian) {
  std::string bytes;
  AppendInt16({1.0f / 32768, -1.0f}, &bytes);
  EXPECT_EQ(bytes, std::string("\x01\x00\x00\x80", 4));
  bytes.clear();
  AppendFloat32({1.0f}, &bytes);
  EXPECT_EQ(bytes, std::string("\x00\x00\x80\x3f", 4));
}

}  // namespace
}  // namespace shoal::audio
