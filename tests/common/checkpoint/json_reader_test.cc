#include "common/checkpoint/json_reader.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ParseError(const std::string& text) {
  return std::string(ParseJson(text, "f.json").status().message());
}

TEST(ParseJsonTest, ParsesWhatJsonAllows) {
  const std::string text =
      R"({"a":[1,-2,3.5,true,false,null,"\u00e4"],"b":{"c":{}},"big":18446744073709551615})";
  const auto json = ParseJson(text, "f.json");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, nlohmann::json::parse(text));
  EXPECT_EQ(*ParseJson("7", "f.json"), 7);
}

TEST(ParseJsonTest, NamesFileAndPlaceOfAnError) {
  EXPECT_THAT(ParseError(R"({"a":1,})"), AllOf(HasSubstr("f.json"), HasSubstr("byte 8")));
  EXPECT_THAT(ParseError(""), HasSubstr("not JSON"));
  EXPECT_THAT(ParseError("{} {}"), HasSubstr("not JSON"));
  EXPECT_THAT(ParseError("1e999"), HasSubstr("not JSON"));
  EXPECT_THAT(ParseError("\"\xc3\x28\""), HasSubstr("not JSON"));
}

TEST(ParseJsonTest, BoundsDepth) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(ParseJson(nested(32), "f.json").ok());
  EXPECT_THAT(ParseError(nested(33)), HasSubstr("deeper than 32"));
  EXPECT_THAT(ParseError(std::string(1 << 20, '{')), HasSubstr("not JSON"));
  EXPECT_THAT(ParseError(nested(1 << 20)), HasSubstr("deeper than 32"));
}

TEST(ParseJsonTest, RefusesRepeatedKeysOfOneObject) {
  EXPECT_THAT(ParseError(R"({"a":{"k":1,"k":2}})"), HasSubstr("\"k\" twice"));
  EXPECT_TRUE(ParseJson(R"({"a":{"k":1},"b":{"k":2},"k":3})", "f.json").ok());
}

TEST(ReadTextFileTest, BoundsSizeAndTellsMissingFromUnreadable) {
  const shoal::testing::TempDir folder;
  folder.Write("f", "12345");
  EXPECT_EQ(*ReadTextFile(folder.File("f"), 5), "12345");
  EXPECT_THAT(std::string(ReadTextFile(folder.File("f"), 4).status().message()),
              AllOf(HasSubstr(folder.File("f")), HasSubstr("at most 4 bytes")));
  EXPECT_EQ(ReadTextFile(folder.File("g"), 4).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ReadTextFile(folder.path(), 4).ok());
}

class FieldReaderTest : public ::testing::Test {
 protected:
  FieldReader Fields(const std::string& text) {
    json_ = *ParseJson(text, "f.json");
    status_ = absl::OkStatus();
    return FieldReader(&json_, "f.json", "", &status_);
  }

  std::string Error() { return std::string(status_.message()); }

  nlohmann::json json_;
  absl::Status status_;
};

TEST_F(FieldReaderTest, ReadsValuesAndDefaults) {
  FieldReader fields =
      Fields(R"({"i":5,"d":2.5,"whole":3,"b":true,"list":[1,2],"o":{"i":7},"null":null})");
  EXPECT_EQ(fields.Int("i", 0, 5), 5);
  EXPECT_EQ(fields.Int("missing", 0, 5, 4), 4);
  EXPECT_EQ(fields.Int("null", 0, 5, 3), 3);
  EXPECT_EQ(fields.Number("d", 0, 5), 2.5);
  EXPECT_EQ(fields.Number("whole", 0, 5), 3);
  EXPECT_EQ(fields.Number("missing", 0, 5, 1.5), 1.5);
  EXPECT_TRUE(fields.Bool("b", false));
  EXPECT_TRUE(fields.Bool("missing", true));
  EXPECT_THAT(fields.Ints("list", 2, 0, 5), ElementsAre(1, 2));
  EXPECT_EQ(fields.Object("o").Int("i", 0, 9), 7);
  EXPECT_TRUE(fields.Has("i"));
  EXPECT_FALSE(fields.Has("null"));
  EXPECT_TRUE(status_.ok()) << status_;
}

TEST_F(FieldReaderTest, NamesTheFieldThatIsWrong) {
  Fields(R"({"o":{"i":9}})").Object("o").Int("i", 0, 5);
  EXPECT_EQ(Error(), "f.json: o.i should be a whole number from 0 to 5, not 9");
  Fields("{}").Int("i", 0, 5);
  EXPECT_EQ(Error(), "f.json: i should be a whole number from 0 to 5, but is missing");
  Fields("{}").Int("i", 0, 5, 6);
  EXPECT_EQ(Error(), "f.json: i should be a whole number from 0 to 5, not 6");
  for (const char* wrong : {R"({"i":1.5})", R"({"i":"1"})", R"({"i":18446744073709551615})",
                            R"({"i":true})", R"({"i":[1]})", R"({"i":-1})"}) {
    Fields(wrong).Int("i", 0, 5);
    EXPECT_THAT(Error(), HasSubstr("i should be a whole number")) << wrong;
  }
  Fields(R"({"d":"x"})").Number("d", 0, 1);
  EXPECT_EQ(Error(), "f.json: d should be a number from 0 to 1, not \"x\"");
  Fields(R"({"b":1})").Bool("b", true);
  EXPECT_EQ(Error(), "f.json: b should be true or false");
  for (const char* wrong :
       {R"({"l":[]})", R"({"l":[1,2,3]})", R"({"l":[6]})", R"({"l":["1"]})", R"({"l":1})", "{}"}) {
    Fields(wrong).Ints("l", 2, 0, 5);
    EXPECT_THAT(Error(), HasSubstr("l should be a list of 1 to 2 whole numbers")) << wrong;
  }
  Fields(R"({"o":1})").Object("o");
  EXPECT_EQ(Error(), "f.json: o should be a JSON object");
  Fields("[]");
  EXPECT_EQ(Error(), "f.json: the whole should be a JSON object");
}

TEST_F(FieldReaderTest, KeepsTheFirstError) {
  FieldReader fields = Fields("{}");
  fields.Int("first", 0, 5);
  fields.Object("second").Int("third", 0, 5);
  EXPECT_THAT(Error(), HasSubstr("first"));
}

}  // namespace
}  // namespace shoal::checkpoint
