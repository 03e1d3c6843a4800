#include "tools/convert_codec.h"

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/tensor_values.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_file.h"
#include "tools/make_tiny.h"

namespace shoal::tools {
namespace {

using checkpoint::TensorStore;
using checkpoint::TensorView;
using shoal::testing::GoldenCheckpoint;
using shoal::testing::TempDir;
using ::testing::AllOf;
using ::testing::HasSubstr;
namespace pickle = shoal::testing::pickle;

std::string Error(const std::string& path, const std::string& directory) {
  const absl::StatusOr<ConvertedCodec> result = ConvertCodec(path, directory);
  return result.ok() ? "" : std::string(result.status().message());
}

TEST(ConvertCodecTest, GivesTheGoldenTensorsBitForBit) {
  const TempDir folder;
  const auto result = ConvertCodec(GoldenCheckpoint() + "/codec.pth", folder.path());
  ASSERT_TRUE(result.ok()) << result.status();
  const auto made = TensorStore::Open(folder.path(), "codec");
  const auto golden = TensorStore::Open(GoldenCheckpoint(), "codec");
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(made->names(), golden->names());
  EXPECT_EQ(result->tensors, static_cast<int64_t>(golden->names().size()));
  for (const std::string& name : golden->names()) {
    const TensorView expected = *golden->Find(name);
    const auto view = made->Get(name, expected.shape);
    ASSERT_TRUE(view.ok()) << view.status();
    EXPECT_EQ(view->dtype, expected.dtype) << name;
    EXPECT_EQ(std::memcmp(view->bytes.data(), expected.bytes.data(), expected.bytes.size()), 0)
        << name;
  }
  EXPECT_EQ(nlohmann::json::parse(folder.Read("codec.json")),
            shoal::testing::GoldenJson("checkpoint/codec.json"));
  const auto kept = checkpoint::ReadFingerprintFile(folder.path());
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->at("codec").sha256, checkpoint::HashTensors(*golden));
}

TEST(ConvertCodecTest, WritesBesideCodecPthAndKeepsTheSizesThere) {
  const TempDir folder;
  for (const char* file : {"codec.pth", "codec.json"}) {
    std::filesystem::copy(GoldenCheckpoint() + "/" + file, folder.path());
  }
  const std::string sizes = folder.Read("codec.json");
  const auto result = ConvertCodec(folder.File("codec.pth"), "");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->directory, folder.path());
  EXPECT_EQ(result->sizes_from, folder.File("codec.json"));
  EXPECT_EQ(folder.Read("codec.json"), sizes);
  EXPECT_TRUE(checkpoint::Checkpoint::Open(folder.path(), {.codec = true}).ok());
}

TEST(ConvertCodecTest, KeepsTheFingerprintOfOtherParts) {
  const TempDir folder;
  checkpoint::FingerprintFile file;
  file["transformer"] = {std::string(32, 't'), {{"model.safetensors", 5}}};
  ASSERT_TRUE(checkpoint::WriteFingerprintFile(folder.path(), file).ok());
  ASSERT_EQ(Error(GoldenCheckpoint() + "/codec.pth", folder.path()), "");
  const auto kept = checkpoint::ReadFingerprintFile(folder.path());
  EXPECT_EQ(kept->at("transformer").sha256, std::string(32, 't'));
  EXPECT_EQ(kept->count("codec"), 1u);
}

TEST(S2ProCodecTest, SizesAgreeAndAreThePublishedOnes) {
  const checkpoint::CodecConfig config = S2ProCodec();
  EXPECT_TRUE(checkpoint::CheckCodecConfig(config, "S2 Pro").ok());
  EXPECT_EQ(config.frame_length, 2048);
  EXPECT_EQ(config.num_codebooks(), 10);
  // The encoder's transformer is as wide as the channels that it stands on.
  EXPECT_EQ(config.encoder_transformer->transformer.dim, config.encoder_channels(4));
}

// codec.pth of a made-up codec, entry by entry, so that tests can spoil it.
class MadeUpCodecTest : public ::testing::Test {
 protected:
  struct Entry {
    std::string name;
    std::string type = "FloatStorage";
    std::vector<int64_t> shape;
    std::string bytes;
  };

  void SetUp() override {
    TinyOptions options;
    options.codebooks = 2;
    options.rates = {"3", "2"};
    ASSERT_TRUE(MakeTinyCheckpoint(folder_.path(), options).ok());
    const auto store = TensorStore::Open(folder_.path(), "codec");
    ASSERT_TRUE(store.ok());
    for (const std::string& name : store->names()) {
      const TensorView view = *store->Find(name);
      entries_.push_back(
          {name, "FloatStorage", view.shape,
           std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size())});
    }
    hash_ = checkpoint::HashTensors(*store);
  }

  Entry& Find(const std::string& name) {
    for (Entry& entry : entries_) {
      if (entry.name == name) return entry;
    }
    throw std::runtime_error("no entry " + name);
  }

  std::string Write() {
    std::vector<std::pair<std::string, std::string>> items;
    std::map<std::string, std::string> storages;
    for (const Entry& entry : entries_) {
      const std::string key = std::to_string(storages.size());
      int64_t count = 1;
      std::vector<int64_t> stride(entry.shape.size());
      for (size_t i = stride.size(); i-- > 0;) {
        stride[i] = count;
        count *= entry.shape[i];
      }
      items.emplace_back(entry.name, pickle::Tensor(pickle::Storage(entry.type, key, count), 0,
                                                    entry.shape, stride));
      storages[key] = entry.bytes;
    }
    return folder_.Write("codec.pth",
                         shoal::testing::TorchFile(pickle::StateDict(items), storages));
  }

  std::string ConvertError() { return Error(Write(), ""); }

  TempDir folder_;
  std::vector<Entry> entries_;
  std::string hash_;
};

constexpr char kBias[] = "encoder.block.0.conv.bias";

TEST_F(MadeUpCodecTest, ComesBackAsItWas) {
  ASSERT_EQ(ConvertError(), "");
  EXPECT_EQ(checkpoint::HashTensors(*TensorStore::Open(folder_.path(), "codec")), hash_);
}

TEST_F(MadeUpCodecTest, OtherEntriesAreSkipped) {
  entries_.push_back({"quantizer.pre_module.causal_mask", "BoolStorage", {2}, "\1\1"});
  const auto result = ConvertCodec(Write(), "");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->skipped, 1);
  EXPECT_EQ(checkpoint::HashTensors(*TensorStore::Open(folder_.path(), "codec")), hash_);
}

TEST_F(MadeUpCodecTest, HalvesBecomeFloats) {
  Entry& bias = Find(kBias);
  bias.type = "BFloat16Storage";
  bias.bytes = std::string();
  for (int64_t i = 0; i < bias.shape.at(0); ++i) bias.bytes += std::string("\xc0\x3f", 2);  // 1.5
  ASSERT_EQ(ConvertError(), "");
  const auto store = TensorStore::Open(folder_.path(), "codec");
  EXPECT_EQ(store->Find(kBias)->dtype, checkpoint::DType::kF32);
  EXPECT_THAT(checkpoint::ToFloats(*store->Find(kBias)), ::testing::Each(1.5f));
}

TEST_F(MadeUpCodecTest, NamesAMissingTensor) {
  Find(kBias).name = "renamed";
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr("codec.pth"), HasSubstr(kBias),
                                    HasSubstr("is missing"), HasSubstr("codec.json")));
}

TEST_F(MadeUpCodecTest, NamesATensorOfAnotherShape) {
  Find(kBias).shape.push_back(1);
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr(kBias), HasSubstr("has shape [4, 1], expected [4]")));
}

TEST_F(MadeUpCodecTest, NamesATensorOfWholeNumbers) {
  Find(kBias).type = "IntStorage";
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr(kBias), HasSubstr("I32")));
}

TEST_F(MadeUpCodecTest, NamesATensorThatIsNotFinite) {
  Find(kBias).bytes.replace(0, 4, std::string("\0\0\x80\x7f", 4));
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr(kBias), HasSubstr("not finite")));
}

TEST_F(MadeUpCodecTest, WithoutCodecJsonItIsTakenForS2Pros) {
  std::filesystem::remove(folder_.File("codec.json"));
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr("sizes of S2 Pro"), HasSubstr("codec.json")));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("codec.json")));
}

TEST_F(MadeUpCodecTest, ABadCodecJsonIsNamed) {
  folder_.Write("codec.json", R"({"sample_rate":0})");
  EXPECT_THAT(ConvertError(), AllOf(HasSubstr("codec.json"), HasSubstr("sample_rate")));
}

TEST_F(MadeUpCodecTest, WhatFailsLeavesOldFilesAlone) {
  const std::string before = folder_.Read("codec.safetensors");
  Find(kBias).name = "renamed";
  ASSERT_NE(ConvertError(), "");
  EXPECT_EQ(folder_.Read("codec.safetensors"), before);
}

}  // namespace
}  // namespace shoal::tools
