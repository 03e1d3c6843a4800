#include "common/service/flag_set.h"

#include <cstdlib>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::service {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Values {
  std::string text = "plain";
  int count = 3;
  int64_t big = 5'000'000'000;
  uint64_t seed = 7;
  double ratio = 0.5;
  bool warm = true;
  bool loud = false;
  absl::Duration grace = absl::Seconds(30);
  std::vector<std::string> peers = {"default"};
  std::string format = "text";
  std::vector<std::string> rest;
};

void Declare(FlagSet& flags, Values& v) {
  flags.Add("text", &v.text, "some text");
  flags.Add("count", &v.count, "a count");
  flags.Add("big-count", &v.big, "a big count");
  flags.Add("seed", &v.seed, "a seed");
  flags.Add("ratio", &v.ratio, "a ratio");
  flags.Add("warm", &v.warm, "starts warm");
  flags.Add("loud", &v.loud, "says more");
  flags.Add("grace", &v.grace, "how long");
  flags.Add("peers", &v.peers, "who");
  flags.AddChoice("format", &v.format, {"text", "json"}, "the format");
  flags.Short('t', "text");
}

absl::StatusOr<FlagSet::Outcome> Parse(Values& v, std::vector<const char*> arguments,
                                       bool positional = false) {
  FlagSet flags("shoal-test", "Tests flags.");
  Declare(flags, v);
  if (positional) flags.AllowPositional("TEXT...", &v.rest);
  arguments.insert(arguments.begin(), "shoal-test");
  return flags.Parse(static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagSetTest, DefaultsStayWhenNothingIsGiven) {
  Values v;
  ASSERT_EQ(Parse(v, {}).value(), FlagSet::Outcome::kRun);
  EXPECT_EQ(v.text, "plain");
  EXPECT_EQ(v.count, 3);
  EXPECT_THAT(v.peers, ElementsAre("default"));
}

TEST(FlagSetTest, EveryTypeInBothForms) {
  Values v;
  ASSERT_TRUE(Parse(v, {"--text", "a b", "--count=-4", "--big-count", "9000000000000", "--seed",
                        "18446744073709551615", "--ratio=1e-3", "--no-warm", "--loud",
                        "--grace=1.5s", "--peers", "a, b", "--peers=c", "--format", "json"})
                  .ok());
  EXPECT_EQ(v.text, "a b");
  EXPECT_EQ(v.count, -4);
  EXPECT_EQ(v.big, 9'000'000'000'000);
  EXPECT_EQ(v.seed, 18446744073709551615u);
  EXPECT_DOUBLE_EQ(v.ratio, 1e-3);
  EXPECT_FALSE(v.warm);
  EXPECT_TRUE(v.loud);
  EXPECT_EQ(v.grace, absl::Milliseconds(1500));
  EXPECT_THAT(v.peers, ElementsAre("a", "b", "c"));
  EXPECT_EQ(v.format, "json");
}

TEST(FlagSetTest, BoolsTakeAValueOnlyWithEquals) {
  Values v;
  ASSERT_TRUE(Parse(v, {"--warm=off", "--loud=yes"}).ok());
  EXPECT_FALSE(v.warm);
  EXPECT_TRUE(v.loud);
  EXPECT_FALSE(Parse(v, {"--warm", "false"}).ok());
}

TEST(FlagSetTest, ShortNameAndPositionalArguments) {
  Values v;
  ASSERT_TRUE(Parse(v, {"one", "-t", "x", "--", "--text", "-"}, /*positional=*/true).ok());
  EXPECT_EQ(v.text, "x");
  EXPECT_THAT(v.rest, ElementsAre("one", "--text", "-"));
}

TEST(FlagSetTest, AValueMayBeginWithADash) {
  Values v;
  ASSERT_TRUE(Parse(v, {"--text", "--count"}).ok());
  EXPECT_EQ(v.text, "--count");
  EXPECT_EQ(v.count, 3);
}

TEST(FlagSetTest, HelpAndVersionWinOverWhatFollows) {
  Values v;
  EXPECT_EQ(Parse(v, {"--help", "--nonsense"}).value(), FlagSet::Outcome::kHelp);
  EXPECT_EQ(Parse(v, {"-h"}).value(), FlagSet::Outcome::kHelp);
  EXPECT_EQ(Parse(v, {"--version"}).value(), FlagSet::Outcome::kVersion);
}

struct WrongCase {
  std::vector<const char*> arguments;
  const char* message;
};

TEST(FlagSetTest, ErrorsNameTheFlagAndWhatWasExpected) {
  const WrongCase cases[] = {
      {{"--coutn", "3"}, "unknown flag --coutn; did you mean --count?"},
      {{"--zzzzzzzz"}, "unknown flag --zzzzzzzz; --help lists all"},
      {{"--no-wram"}, "unknown flag --no-wram; did you mean --no-warm?"},
      {{"--no-count"}, "unknown flag --no-count"},
      {{"-x"}, "unknown flag -x"},
      {{"-tx"}, "unknown flag -tx"},
      {{"--count"}, "--count: a value is missing"},
      {{"--count", "three"}, "--count: expected a whole number of 32 bits, got \"three\""},
      {{"--count=3000000000"}, "--count: expected a whole number of 32 bits"},
      {{"--count="}, "--count: expected a whole number"},
      {{"--big-count=9223372036854775808"}, "--big-count: expected a whole number of 64 bits"},
      {{"--seed=-1"}, "--seed: expected a whole number >= 0"},
      {{"--ratio=half"}, "--ratio: expected a number, got \"half\""},
      {{"--warm=maybe"}, "--warm: expected true or false, got \"maybe\""},
      {{"--no-warm=true"}, "--no-warm: takes no value"},
      {{"--grace=30"}, "--grace: expected a duration"},
      {{"--peers=a,,b"}, "--peers: expected a list without empty items"},
      {{"--format=xml"}, "--format: expected one of text, json, got \"xml\""},
      {{"stray"}, "unexpected argument \"stray\""},
  };
  for (const WrongCase& c : cases) {
    Values v;
    const auto outcome = Parse(v, c.arguments);
    ASSERT_FALSE(outcome.ok()) << c.message;
    EXPECT_THAT(std::string(outcome.status().message()), HasSubstr(c.message));
    EXPECT_EQ(outcome.status().message().find('\n'), absl::string_view::npos);
  }
}

class FlagSetEnvironmentTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"SHOAL_COUNT", "SHOAL_BIG_COUNT", "SHOAL_PEERS", "SHOAL_WARM"}) {
      unsetenv(name);
    }
  }
};

TEST_F(FlagSetEnvironmentTest, LiesBetweenDefaultAndCommandLine) {
  setenv("SHOAL_COUNT", "11", 1);
  setenv("SHOAL_BIG_COUNT", "12", 1);
  setenv("SHOAL_PEERS", "x,y", 1);
  setenv("SHOAL_WARM", "false", 1);
  Values v;
  ASSERT_TRUE(Parse(v, {"--big-count=13"}).ok());
  EXPECT_EQ(v.count, 11);
  EXPECT_EQ(v.big, 13);
  EXPECT_THAT(v.peers, ElementsAre("x", "y"));
  EXPECT_FALSE(v.warm);
  Values w;
  ASSERT_TRUE(Parse(w, {"--peers=z"}).ok());
  EXPECT_THAT(w.peers, ElementsAre("z")) << "the command line replaces, it does not append";
}

TEST_F(FlagSetEnvironmentTest, EmptyCountsAsNotSet) {
  setenv("SHOAL_COUNT", "", 1);
  Values v;
  ASSERT_TRUE(Parse(v, {}).ok());
  EXPECT_EQ(v.count, 3);
}

TEST_F(FlagSetEnvironmentTest, ErrorNamesTheVariable) {
  setenv("SHOAL_COUNT", "many", 1);
  Values v;
  EXPECT_THAT(std::string(Parse(v, {}).status().message()), HasSubstr("SHOAL_COUNT (--count): "));
}

TEST(FlagSetTest, DeclaredTwiceIsAnError) {
  Values v;
  FlagSet flags("shoal-test", "Tests flags.");
  flags.Add("count", &v.count, "");
  flags.Add("count", &v.big, "");
  const char* argv[] = {"shoal-test"};
  EXPECT_EQ(flags.Parse(1, argv).status().code(), absl::StatusCode::kInternal);
}

TEST(FlagSetTest, HelpShowsTypeDefaultAndVariableOfEveryFlag) {
  Values v;
  FlagSet flags("shoal-test", "Tests flags.");
  Declare(flags, v);
  const std::string help = flags.HelpText();
  EXPECT_THAT(help, HasSubstr("shoal-test: Tests flags."));
  EXPECT_THAT(help, HasSubstr("--text, -t <string>  default \"plain\"  (SHOAL_TEXT)"));
  EXPECT_THAT(help, HasSubstr("--big-count <int64>  default 5000000000  (SHOAL_BIG_COUNT)"));
  EXPECT_THAT(help, HasSubstr("--[no-]warm <bool>  default true"));
  EXPECT_THAT(help, HasSubstr("--grace <duration>  default 30s"));
  EXPECT_THAT(help, HasSubstr("--format <text|json>  default \"text\""));
  EXPECT_THAT(help, HasSubstr("--version"));
}

TEST(FlagSetDeathTest, ParseOrExitUsesTheExitCodesOfTheContract) {
  FlagSet flags("shoal-test", "Tests flags.");
  const char* wrong[] = {"shoal-test", "--nope"};
  EXPECT_EXIT(flags.ParseOrExit(2, wrong), ::testing::ExitedWithCode(2),
              "^shoal-test: unknown flag --nope[^\n]*\n$");
  const char* help[] = {"shoal-test", "--help"};
  EXPECT_EXIT(flags.ParseOrExit(2, help), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace shoal::service
