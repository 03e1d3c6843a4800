#include "common/checkpoint/safetensors.h"

#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string FileOf(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  std::string file(sizeof(size), '\0');
  std::memcpy(file.data(), &size, sizeof(size));
  return file + header + data;
}

absl::Span<const std::byte> AsBytes(const std::string& text) {
  return absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

std::string AsString(const TensorView& view) {
  return std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size());
}

std::string ErrorOf(const std::string& file) {
  const auto parsed = SafetensorsFile::Parse(AsBytes(file), "folder/x.safetensors");
  return parsed.ok() ? "no error" : std::string(parsed.status().message());
}

// A view of bytes that must outlive it.
NamedTensor Tensor(const std::string& name, DType dtype, std::vector<int64_t> shape,
                   const std::string& bytes) {
  return {name, {dtype, std::move(shape), AsBytes(bytes)}};
}

TEST(SafetensorsTest, ReadsTensorsInAnyOrder) {
  const std::string file = FileOf(R"({"__metadata__":{"format":"pt"},
                 "b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]},
                 "a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]},
                 "scalar":{"dtype":"I8","shape":[],"data_offsets":[7,8]},
                 "empty":{"dtype":"F32","shape":[0,5],"data_offsets":[4,4]}}   )",
                                  "abcdefgh");
  const auto parsed = SafetensorsFile::Parse(AsBytes(file), "x");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->names(), ElementsAre("a", "b", "empty", "scalar"));
  EXPECT_EQ(parsed->Find("a")->dtype, DType::kBF16);
  EXPECT_THAT(parsed->Find("a")->shape, ElementsAre(2, 1));
  EXPECT_EQ(AsString(*parsed->Find("a")), "abcd");
  EXPECT_EQ(AsString(*parsed->Find("b")), "efg");
  EXPECT_EQ(AsString(*parsed->Find("scalar")), "h");
  EXPECT_EQ(AsString(*parsed->Find("empty")), "");
  EXPECT_THAT(std::string(parsed->Find("c").status().message()),
              AllOf(HasSubstr("x: "), HasSubstr("\"c\" is missing")));
}

const std::string kNothing;
const std::string kEight = "abcdefgh";

struct Broken {
  std::string what;
  std::string file;
  std::vector<std::string> error;
};

class BrokenSafetensorsTest : public ::testing::TestWithParam<Broken> {};

TEST_P(BrokenSafetensorsTest, IsRefusedByName) {
  const std::string error = ErrorOf(GetParam().file);
  EXPECT_THAT(error, HasSubstr("folder/x.safetensors"));
  for (const std::string& part : GetParam().error) EXPECT_THAT(error, HasSubstr(part));
}

std::string OneTensor(const std::string& entry, const std::string& data) {
  return FileOf("{\"w\":" + entry + "}", data);
}

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenSafetensorsTest,
    ::testing::Values(
        Broken{"empty", "", {"at least 8 bytes", "found 0"}},
        Broken{"header_beyond_the_file", FileOf("{}", "").substr(0, 9), {"truncated"}},
        Broken{
            "header_too_large", std::string("\0\0\0\x02\0\0\0\0{}", 10), {"33554432", "16777216"}},
        Broken{"header_size_wraps", std::string(8, '\xff') + "{}", {"at most 16777216"}},
        Broken{"no_json", FileOf("{]", ""), {"not JSON"}},
        Broken{"no_object", FileOf("[1]", ""), {"JSON object"}},
        Broken{"not_utf8", FileOf("{\"\xff\":1}", ""), {"not JSON"}},
        Broken{"deep", FileOf(std::string(100000, '['), ""), {"deeper than"}},
        Broken{"same_name_twice",
               FileOf(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                          "w":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                      "ab"),
               {"\"w\" twice"}},
        Broken{"entry_is_no_object", OneTensor("7", ""), {"tensor \"w\"", "expected an object"}},
        Broken{"unknown_key",
               OneTensor(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1})", "a"),
               {"tensor \"w\"", "expected an object of dtype, shape and data_offsets"}},
        Broken{"unknown_dtype",
               OneTensor(R"({"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]})", "a"),
               {"tensor \"w\"", "unknown dtype \"F8_E4M3\""}},
        Broken{"dtype_is_no_string",
               OneTensor(R"({"dtype":1,"shape":[1],"data_offsets":[0,1]})", "a"),
               {"tensor \"w\"", "dtype"}},
        Broken{"negative_size",
               OneTensor(R"({"dtype":"U8","shape":[-1],"data_offsets":[0,1]})", "a"),
               {"tensor \"w\"", "shape"}},
        Broken{"fractional_size",
               OneTensor(R"({"dtype":"U8","shape":[1.0],"data_offsets":[0,1]})", "a"),
               {"tensor \"w\"", "shape"}},
        Broken{"product_overflows",
               OneTensor(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})",
                         ""),
               {"tensor \"w\"", "more bytes than can be counted"}},
        Broken{
            "size_beyond_int64",
            OneTensor(R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,1]})", "a"),
            {"tensor \"w\"", "shape"}},
        Broken{"rank_too_high",
               OneTensor("{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"
                         "\"data_offsets\":[0,1]}",
                         "a"),
               {"tensor \"w\"", "at most 16"}},
        Broken{"offsets_misordered",
               OneTensor(R"({"dtype":"U8","shape":[1],"data_offsets":[1,0]})", "a"),
               {"tensor \"w\"", "in order"}},
        Broken{"offsets_of_another_size",
               OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})", "abcd"),
               {"tensor \"w\"", "take 8 bytes", "hold 4"}},
        Broken{"truncated",
               OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "abcdefg"),
               {"tensor \"w\"", "byte 8", "holds 7"}},
        Broken{"overlap",
               FileOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
                          "b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                      "abc"),
               {"tensor \"b\"", "overlap"}},
        Broken{"gap",
               FileOf(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
                          "b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                      "abc"),
               {"tensor \"b\"", "gap"}},
        Broken{"bytes_behind",
               OneTensor(R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})", "ab"),
               {"end at byte 1", "holds 2"}}),
    [](const auto& info) { return info.param.what; });

TEST(SafetensorsTest, EveryTruncationOfAFileIsRefused) {
  const std::string whole =
      OneTensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})", "abcdefgh");
  ASSERT_EQ(ErrorOf(whole), "no error");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(ErrorOf(whole.substr(0, size)), "no error") << size << " bytes";
  }
}

TEST(SafetensorsWriterTest, WritesWhatTheReaderReads) {
  const shoal::testing::TempDir folder;
  const std::string flags("\1\0\1", 3);
  const std::vector<NamedTensor> tensors = {Tensor("z", DType::kF32, {1, 2}, kEight),
                                            Tensor("a \"quoted\"", DType::kBool, {3}, flags),
                                            Tensor("empty", DType::kI64, {0}, kNothing)};
  ASSERT_TRUE(WriteSafetensors(folder.File("x.safetensors"), tensors, {{"k", "v"}}).ok());
  const auto file = SafetensorsFile::Open(folder.File("x.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(AsString(*file->Find("z")), "abcdefgh");
  EXPECT_EQ(AsString(*file->Find("a \"quoted\"")), flags);
  EXPECT_THAT(file->Find("z")->shape, ElementsAre(1, 2));
  EXPECT_THAT(file->Find("empty")->shape, ElementsAre(0));
  EXPECT_THAT(folder.Read("x.safetensors"), HasSubstr(R"("__metadata__":{"k":"v"})"));
  uint64_t header = 0;
  std::memcpy(&header, folder.Read("x.safetensors").data(), sizeof(header));
  EXPECT_EQ(header % 8, 0u);
}

TEST(SafetensorsWriterTest, RefusesBytesThatDoNotFitTheShape) {
  const shoal::testing::TempDir folder;
  const std::vector<NamedTensor> wrong = {Tensor("w", DType::kF32, {3}, kEight)};
  EXPECT_THAT(std::string(WriteSafetensors(folder.File("x"), wrong, {}).message()),
              AllOf(HasSubstr("\"w\""), HasSubstr("[3]"), HasSubstr("8 bytes")));
  const std::vector<NamedTensor> twice = {Tensor("w", DType::kU8, {8}, kEight),
                                          Tensor("w", DType::kU8, {8}, kEight)};
  EXPECT_THAT(std::string(WriteSafetensors(folder.File("x"), twice, {}).message()),
              HasSubstr("two entries are named \"w\""));
}

class TensorStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("model-1.safetensors", {Tensor("a", DType::kU8, {2}, ab_)});
    Write("model-2.safetensors", {Tensor("b", DType::kU8, {1, 3}, cde_)});
    folder_.Write(
        "model.safetensors.index.json",
        R"({"metadata":{},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})");
  }

  void Write(const std::string& name, const std::vector<NamedTensor>& tensors) {
    ASSERT_TRUE(WriteSafetensors(folder_.File(name), tensors, {}).ok());
  }

  std::string OpenError() {
    const auto store = TensorStore::Open(folder_.path(), "model");
    return store.ok() ? "no error" : std::string(store.status().message());
  }

  shoal::testing::TempDir folder_;
  const std::string ab_ = "ab";
  const std::string cde_ = "cde";
};

TEST_F(TensorStoreTest, ReadsShards) {
  const auto store = TensorStore::Open(folder_.path(), "model");
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(store->names(), ElementsAre("a", "b"));
  EXPECT_TRUE(store->Has("a"));
  EXPECT_FALSE(store->Has("c"));
  EXPECT_EQ(AsString(*store->Get("b", {1, 3})), "cde");
  EXPECT_THAT(store->files(), ElementsAre("model-1.safetensors", "model-2.safetensors",
                                          "model.safetensors.index.json"));
}

TEST_F(TensorStoreTest, ViewsOutliveAMove) {
  auto store = TensorStore::Open(folder_.path(), "model");
  ASSERT_TRUE(store.ok());
  const TensorView view = *store->Find("a");
  const TensorStore moved = *std::move(store);
  EXPECT_EQ(AsString(view), "ab");
  EXPECT_EQ(moved.Find("a")->bytes.data(), view.bytes.data());
}

TEST_F(TensorStoreTest, PrefersASingleFile) {
  Write("model.safetensors", {Tensor("c", DType::kU8, {2}, ab_)});
  EXPECT_THAT(TensorStore::Open(folder_.path(), "model")->names(), ElementsAre("c"));
}

TEST_F(TensorStoreTest, NamesTensorFileAndShapes) {
  const auto store = TensorStore::Open(folder_.path(), "model");
  EXPECT_THAT(std::string(store->Get("b", {3, 1}).status().message()),
              AllOf(HasSubstr("model-2.safetensors"), HasSubstr("\"b\""), HasSubstr("[1, 3]"),
                    HasSubstr("expected [3, 1]")));
  EXPECT_THAT(std::string(store->Get("c", {4}).status().message()),
              AllOf(HasSubstr("index.json"), HasSubstr("\"c\" is missing"), HasSubstr("[4]")));
}

TEST_F(TensorStoreTest, NamesATensorMissingFromItsShard) {
  Write("model-2.safetensors", {Tensor("renamed", DType::kU8, {1, 3}, cde_)});
  EXPECT_THAT(OpenError(), AllOf(HasSubstr("model-2.safetensors"), HasSubstr("\"b\" is missing"),
                                 HasSubstr("index.json")));
}

TEST_F(TensorStoreTest, NamesAMissingShard) {
  std::remove(folder_.File("model-2.safetensors").c_str());
  EXPECT_THAT(OpenError(), AllOf(HasSubstr("model-2.safetensors"), HasSubstr("\"b\"")));
}

TEST_F(TensorStoreTest, NamesATruncatedShard) {
  const std::string whole = folder_.Read("model-2.safetensors");
  folder_.Write("model-2.safetensors", whole.substr(0, whole.size() - 1));
  EXPECT_THAT(OpenError(), AllOf(HasSubstr("model-2.safetensors"), HasSubstr("tensor \"b\""),
                                 HasSubstr("truncated")));
}

TEST_F(TensorStoreTest, AShardStandsBesideItsIndex) {
  folder_.Write("model.safetensors.index.json", R"({"weight_map":{"a":"../model-1.safetensors"}})");
  EXPECT_THAT(OpenError(), HasSubstr("plain file name"));
}

TEST_F(TensorStoreTest, RefusesAnIndexWithoutMap) {
  folder_.Write("model.safetensors.index.json", "[]");
  EXPECT_THAT(OpenError(), HasSubstr("weight_map"));
}

TEST_F(TensorStoreTest, SaysWhatItLookedFor) {
  EXPECT_THAT(std::string(TensorStore::Open(folder_.path(), "codec").status().message()),
              AllOf(HasSubstr("codec.safetensors or codec.safetensors.index.json")));
}

}  // namespace
}  // namespace shoal::checkpoint
