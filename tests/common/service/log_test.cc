#include "common/service/log.h"

#include <limits>
#include <regex>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::service {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(LogTest, TextLineHasTimeLevelAndProgram) {
  CaptureStderr();
  ASSERT_TRUE(SetUpLog({}, "shoal-test").ok());
  spdlog::info("value {}", 3);
  const std::string line = GetCapturedStderr();
  EXPECT_TRUE(std::regex_match(
      line, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info shoal-test: value 3\n)")))
      << line;
}

TEST(LogTest, TextCannotForgeALine) {
  CaptureStderr();
  ASSERT_TRUE(SetUpLog({}, "shoal-test").ok());
  spdlog::info("{}", "one\ntwo\x1b[31m\x7f");
  const std::string text = GetCapturedStderr();
  EXPECT_EQ(Lines(text).size(), 1u);
  EXPECT_THAT(text, HasSubstr("one\\ntwo\\x1b[31m\\x7f"));
}

TEST(LogTest, JsonLinesParseWhateverTheyHold) {
  CaptureStderr();
  ASSERT_TRUE(SetUpLog({.level = "debug", .format = "json"}, "shoal-test").ok());
  const std::string nasty = "\"quote\" \\ \n \x01 \xff\xfe \xe2\x82\xac </script>";
  spdlog::debug("{}", nasty);
  LogLine("request")
      .Add("id", nasty)
      .Add("frames", 12)
      .Add("seed", uint64_t{18446744073709551615u})
      .Add("seconds", 0.25)
      .Add("broken", std::numeric_limits<double>::quiet_NaN())
      .Add("ok", true)
      .Write();
  const std::vector<std::string> lines = Lines(GetCapturedStderr());
  ASSERT_EQ(lines.size(), 2u);
  const auto plain = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(plain["level"], "debug");
  EXPECT_EQ(plain["program"], "shoal-test");
  const std::string shown = "\"quote\" \\ \n \x01 \xef\xbf\xbd\xef\xbf\xbd \xe2\x82\xac </script>";
  EXPECT_EQ(plain["message"], shown);
  const auto fields = nlohmann::json::parse(lines[1]);
  EXPECT_EQ(fields["event"], "request");
  EXPECT_EQ(fields["id"], shown);
  EXPECT_EQ(fields["frames"], 12);
  EXPECT_EQ(fields["seed"], 18446744073709551615u);
  EXPECT_EQ(fields["seconds"], 0.25);
  EXPECT_TRUE(fields["broken"].is_null());
  EXPECT_EQ(fields["ok"], true);
}

TEST(LogTest, FieldsInTextQuoteWhatNeedsIt) {
  EXPECT_EQ(LogLine("request")
                .Add("id", "ab-1")
                .Add("why", "two words")
                .Add("none", "")
                .Add("tricky", "a=b")
                .Add("n", 3)
                .Add("ok", false)
                .Text(),
            "request id=ab-1 why=\"two words\" none=\"\" tricky=\"a=b\" n=3 ok=false");
}

TEST(LogTest, LevelHolds) {
  CaptureStderr();
  ASSERT_TRUE(SetUpLog({.level = "warning", .format = "json"}, "shoal-test").ok());
  spdlog::info("no");
  LogLine("no").Write();
  LogLine("yes").Write(spdlog::level::warn);
  const std::vector<std::string> lines = Lines(GetCapturedStderr());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_THAT(lines[0], HasSubstr("\"level\":\"warning\""));
}

TEST(LogTest, WrongOptionsAreNamed) {
  EXPECT_THAT(std::string(SetUpLog({.level = "loud"}, "x").message()), HasSubstr("loud"));
  EXPECT_THAT(std::string(SetUpLog({.format = "xml"}, "x").message()), HasSubstr("xml"));
  EXPECT_FALSE(SetUpLog({.level = "off"}, "x").ok());
}

}  // namespace
}  // namespace shoal::service
