#include "common/checkpoint/fingerprint.h"

#include <string>

#include "common/checkpoint/checkpoint.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using ::testing::HasSubstr;

NamedTensor Tensor(const std::string& name, std::vector<int64_t> shape, const std::string& bytes) {
  return {name,
          {DType::kU8, std::move(shape),
           absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size())}};
}

class FingerprintTest : public ::testing::Test {
 protected:
  std::string Hash(const std::string& stem) {
    const auto store = TensorStore::Open(folder_.path(), stem);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? HashTensors(*store) : "";
  }

  void Write(const std::string& name, const std::vector<NamedTensor>& tensors) {
    ASSERT_TRUE(WriteSafetensors(folder_.File(name), tensors, {}).ok());
  }

  shoal::testing::TempDir folder_;
  const std::string ab_ = "ab";
  const std::string cd_ = "cd";
};

TEST_F(FingerprintTest, FilesHashAsSha256) {
  folder_.Write("f", "abc");  // the example of FIPS 180
  EXPECT_EQ(HexString(*HashFile(folder_.File("f"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(FingerprintTest, DependsOnTensorsAndNotOnFiles) {
  Write("one.safetensors", {Tensor("x", {2}, ab_), Tensor("y", {2}, cd_)});
  Write("order.safetensors", {Tensor("y", {2}, cd_), Tensor("x", {2}, ab_)});
  Write("s-1", {Tensor("y", {2}, cd_)});
  Write("s-2", {Tensor("x", {2}, ab_)});
  folder_.Write("shards.safetensors.index.json", R"({"weight_map":{"x":"s-2","y":"s-1"}})");
  EXPECT_EQ(Hash("one"), Hash("order"));
  EXPECT_EQ(Hash("one"), Hash("shards"));

  Write("value.safetensors", {Tensor("x", {2}, ab_), Tensor("y", {2}, ab_)});
  Write("shape.safetensors", {Tensor("x", {1, 2}, ab_), Tensor("y", {2}, cd_)});
  Write("name.safetensors", {Tensor("x", {2}, ab_), Tensor("z", {2}, cd_)});
  EXPECT_NE(Hash("one"), Hash("value"));
  EXPECT_NE(Hash("one"), Hash("shape"));
  EXPECT_NE(Hash("one"), Hash("name"));
}

TEST_F(FingerprintTest, IsKeptInAFile) {
  Write("model.safetensors", {Tensor("x", {2}, ab_)});
  folder_.Write("tokenizer.json", "{}");
  const auto computed = ComputeFingerprint(folder_.path());
  ASSERT_TRUE(computed.ok()) << computed.status();
  EXPECT_EQ(computed->size(), 2u);
  EXPECT_EQ(computed->at("transformer").sha256, Hash("model"));
  ASSERT_TRUE(WriteFingerprintFile(folder_.path(), *computed).ok());
  const auto read = ReadFingerprintFile(folder_.path());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at("tokenizer").sha256, computed->at("tokenizer").sha256);
  EXPECT_EQ(read->at("transformer").files, computed->at("transformer").files);
  EXPECT_TRUE(SizesMatch(folder_.path(), read->at("transformer")));
  Write("model.safetensors", {Tensor("longer", {2}, ab_)});
  EXPECT_FALSE(SizesMatch(folder_.path(), read->at("transformer")));
  EXPECT_TRUE(SizesMatch(folder_.path(), read->at("tokenizer")));
}

TEST_F(FingerprintTest, RefusesAFileOfAnotherKind) {
  EXPECT_EQ(ReadFingerprintFile(folder_.path()).status().code(), absl::StatusCode::kNotFound);
  const std::string zeros(64, '0');
  for (const std::string& wrong :
       {std::string("[]"), std::string(R"({"codec":1})"),
        std::string(R"({"codec":{"sha256":"00","files":{}}})"),
        R"({"codec":{"sha256":")" + std::string(64, 'g') + R"(","files":{}}})",
        R"({"codec":{"sha256":")" + zeros + R"(","files":{"a":-1}}})",
        R"({"codec":{"sha256":")" + zeros + R"(","files":{"../a":1}}})"}) {
    folder_.Write("fingerprint.json", wrong);
    EXPECT_THAT(std::string(ReadFingerprintFile(folder_.path()).status().message()),
                HasSubstr("fingerprint.json"))
        << wrong;
  }
}

}  // namespace
}  // namespace shoal::checkpoint
