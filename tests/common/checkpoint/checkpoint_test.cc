// The reader against the golden data: every array that the manifest names, and the checkpoint.

#include "common/checkpoint/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <string>

#include "common/checkpoint/expected_tensors.h"
#include "common/checkpoint/torch_archive.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/golden.h"
#include "tests/support/temp_dir.h"

namespace shoal::checkpoint {
namespace {

using shoal::testing::GoldenCheckpoint;
using shoal::testing::GoldenDir;
using shoal::testing::GoldenFile;
using shoal::testing::GoldenManifest;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

TEST(GoldenDataTest, HoldsEveryArrayOfTheManifest) {
  int arrays = 0;
  const nlohmann::json manifest = GoldenManifest();
  for (const nlohmann::json& entry : manifest.at("cases")) {
    const std::string path = entry.at("file");
    EXPECT_TRUE(std::filesystem::is_regular_file(GoldenDir() + "/" + path)) << path;
    if (!entry.contains("tensors")) continue;
    const GoldenFile file(path);
    std::vector<std::string> names;
    for (const auto& [name, expected] : entry["tensors"].items()) {
      SCOPED_TRACE(path + ": " + name);
      names.push_back(name);
      ASSERT_TRUE(file.Has(name));
      EXPECT_EQ(std::string(DTypeName(file.View(name).dtype)), expected.at("dtype"));
      EXPECT_EQ(file.Shape(name), expected.at("shape").get<std::vector<int64_t>>());
      ++arrays;
    }
    EXPECT_THAT(file.names(), UnorderedElementsAreArray(names)) << path;
  }
  EXPECT_GT(arrays, 0);
}

class GoldenCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Checkpoint::Open(GoldenCheckpoint(), {.transformer = true, .codec = true});
    ASSERT_TRUE(opened.ok()) << opened.status();
    checkpoint_.emplace(*std::move(opened));
  }

  // Names and shapes of a store are exactly those expected.
  static void ExpectExactly(const TensorStore& store, const std::vector<ExpectedTensor>& expected) {
    std::vector<std::string> names;
    for (const ExpectedTensor& tensor : expected) {
      const auto view = store.Get(tensor.name, tensor.shape);
      EXPECT_TRUE(view.ok()) << view.status();
      names.push_back(tensor.name);
    }
    EXPECT_THAT(store.names(), UnorderedElementsAreArray(names));
  }

  std::optional<Checkpoint> checkpoint_;
};

TEST_F(GoldenCheckpointTest, TransformersHoldExactlyTheExpectedTensors) {
  ModelConfig config = checkpoint_->model_config();
  std::vector<ExpectedTensor> expected = TransformerTensors(config);
  for (ExpectedTensor& tensor : expected) {
    if (tensor.name == kHeadName && !checkpoint_->weights().Has(kHeadName)) {
      tensor.name = kOtherHeadName;
    }
  }
  ExpectExactly(checkpoint_->weights(), expected);
}

TEST_F(GoldenCheckpointTest, CodecHoldsExactlyTheExpectedTensors) {
  ExpectExactly(checkpoint_->codec_weights(), CodecTensors(checkpoint_->codec_config()));
}

TEST_F(GoldenCheckpointTest, ConfigurationsSurviveWriting) {
  const shoal::testing::TempDir folder;
  ASSERT_TRUE(WriteModelConfig(folder.path(), checkpoint_->model_config()).ok());
  ASSERT_TRUE(WriteCodecConfig(folder.path(), checkpoint_->codec_config()).ok());
  nlohmann::json codec = shoal::testing::GoldenJson("checkpoint/codec.json");
  if (codec.contains("encoder_transformer") && codec["encoder_transformer"].is_null()) {
    codec.erase("encoder_transformer");
  }
  EXPECT_EQ(nlohmann::json::parse(folder.Read("codec.json")), codec);
  const nlohmann::json written = nlohmann::json::parse(folder.Read("config.json"));
  const nlohmann::json golden = shoal::testing::GoldenJson("checkpoint/config.json");
  for (const auto& [key, value] : golden.items()) {
    if (value.is_object() || !written.contains(key)) continue;
    EXPECT_EQ(written[key], value) << key;
  }
  for (const char* part : {"text_config", "audio_decoder_config"}) {
    for (const auto& [key, value] : golden.at(part).items()) {
      if (!written.at(part).contains(key)) continue;
      EXPECT_EQ(written[part][key], value) << part << "." << key;
    }
  }
}

// Both files hold the same state dict: one as torch.save wrote it, one as safetensors.
TEST_F(GoldenCheckpointTest, CodecPthHoldsTheSameBytes) {
  const auto archive = TorchArchive::Open(GoldenCheckpoint() + "/codec.pth");
  ASSERT_TRUE(archive.ok()) << archive.status();
  size_t compared = 0;
  for (const NamedTensor& named : archive->tensors()) {
    if (!checkpoint_->codec_weights().Has(named.name)) continue;
    const auto view = checkpoint_->codec_weights().Get(named.name, named.tensor.shape);
    ASSERT_TRUE(view.ok()) << view.status();
    ASSERT_EQ(view->dtype, named.tensor.dtype) << named.name;
    ASSERT_EQ(view->bytes.size(), named.tensor.bytes.size()) << named.name;
    EXPECT_EQ(std::memcmp(view->bytes.data(), named.tensor.bytes.data(), view->bytes.size()), 0)
        << named.name;
    ++compared;
  }
  EXPECT_EQ(compared, checkpoint_->codec_weights().names().size());
}

TEST_F(GoldenCheckpointTest, EveryTruncationOfCodecPthIsRefused) {
  const shoal::testing::TempDir folder;
  const std::string whole = shoal::testing::GoldenText("checkpoint/codec.pth");
  for (size_t part = 0; part < 16; ++part) {
    const std::string path = folder.Write("codec.pth", whole.substr(0, whole.size() * part / 16));
    EXPECT_THAT(std::string(TorchArchive::Open(path).status().message()), HasSubstr(path));
  }
}

// A copy of the golden checkpoint that a test may spoil.
class SpoiltCheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::copy(GoldenCheckpoint(), folder_.path());
    for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
      std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
    }
  }

  std::string OpenError(Checkpoint::Parts parts) {
    const auto opened = Checkpoint::Open(folder_.path(), parts);
    return opened.ok() ? "no error" : std::string(opened.status().message());
  }

  shoal::testing::TempDir folder_;
};

TEST_F(SpoiltCheckpointTest, OpensOnlyThePartsAskedFor) {
  std::filesystem::remove(folder_.File("codec.safetensors"));
  EXPECT_EQ(OpenError({.transformer = true, .codec = false}), "no error");
  EXPECT_THAT(OpenError({.transformer = false, .codec = true}),
              AllOf(HasSubstr("codec.safetensors"), HasSubstr("convert-codec")));
  std::filesystem::remove(folder_.File("codec.json"));
  EXPECT_THAT(OpenError({.transformer = false, .codec = true}),
              AllOf(HasSubstr("codec.json"), HasSubstr("convert-codec")));
  std::filesystem::remove(folder_.File("config.json"));
  EXPECT_THAT(OpenError({.transformer = true, .codec = false}), HasSubstr("config.json"));
  EXPECT_EQ(OpenError({.transformer = false, .codec = false}), "no error");
}

TEST_F(SpoiltCheckpointTest, TheConfigurationsMustAgreeOnCodebooks) {
  nlohmann::json json = nlohmann::json::parse(folder_.Read("codec.json"));
  json["quantizer"]["n_residual_codebooks"] =
      json["quantizer"]["n_residual_codebooks"].get<int>() + 1;
  folder_.Write("codec.json", json.dump());
  EXPECT_THAT(OpenError({}), AllOf(HasSubstr("num_codebooks"), HasSubstr("n_residual_codebooks")));
}

TEST_F(SpoiltCheckpointTest, FingerprintIsKeptWhileSizesAreRight) {
  const auto open = [&] {
    return *Checkpoint::Open(folder_.path(), {.transformer = true, .codec = true});
  };
  std::filesystem::remove(folder_.File("fingerprint.json"));
  const Fingerprint computed = *open().fingerprint();
  EXPECT_EQ(computed.tokenizer.size(), 32u);
  EXPECT_EQ(computed.transformer.size(), 32u);
  EXPECT_EQ(computed.codec.size(), 32u);

  auto file = *ComputeFingerprint(folder_.path());
  EXPECT_EQ(file.at("codec").sha256, computed.codec);
  file.at("codec").sha256 = std::string(32, 'c');  // told apart from what hashing gives
  file.at("transformer").sha256 = std::string(32, 't');
  ASSERT_TRUE(WriteFingerprintFile(folder_.path(), file).ok());
  EXPECT_EQ(open().fingerprint()->codec, std::string(32, 'c'));
  EXPECT_EQ(open().fingerprint()->transformer, std::string(32, 't'));

  file.at("codec").files.begin()->second += 1;
  ASSERT_TRUE(WriteFingerprintFile(folder_.path(), file).ok());
  EXPECT_EQ(open().fingerprint()->codec, computed.codec);
  EXPECT_EQ(open().fingerprint()->transformer, std::string(32, 't'));

  folder_.Write("fingerprint.json", "{");
  EXPECT_THAT(std::string(open().fingerprint().status().message()), HasSubstr("fingerprint.json"));
}

}  // namespace
}  // namespace shoal::checkpoint
