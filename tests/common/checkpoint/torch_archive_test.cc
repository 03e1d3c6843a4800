#include "common/checkpoint/torch_archive.h"

#include <cstring>
#include <string>

#include "common/checkpoint/tensor_values.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_dir.h"
#include "tests/support/torch_file.h"

namespace shoal::checkpoint {
namespace {

using shoal::testing::TorchFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace pickle = shoal::testing::pickle;

absl::StatusOr<TorchArchive> Parse(const std::string& file) {
  return TorchArchive::Parse(
      absl::MakeConstSpan(reinterpret_cast<const std::byte*>(file.data()), file.size()),
      "codec.pth");
}

std::string ErrorOf(const std::string& file) {
  const auto archive = Parse(file);
  return archive.ok() ? "no error" : std::string(archive.status().message());
}

std::string Floats(const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// One tensor `w` over a storage of 0, 1, 2, 3, 4, 5.
std::string OneTensor(int64_t offset, const std::vector<int64_t>& shape,
                      const std::vector<int64_t>& stride, int64_t claimed_elements = 6) {
  return TorchFile(pickle::StateDict(
                       {{"w", pickle::Tensor(pickle::Storage("FloatStorage", "0", claimed_elements),
                                             offset, shape, stride)}}),
                   {{"0", Floats({0, 1, 2, 3, 4, 5})}});
}

std::vector<float> ValuesOf(const std::string& file) {
  const auto archive = Parse(file);
  EXPECT_TRUE(archive.ok()) << archive.status();
  return archive.ok() ? ToFloats(archive->tensors().at(0).tensor) : std::vector<float>();
}

TEST(TorchArchiveTest, ReadsRowMajorTensorsInPlace) {
  EXPECT_THAT(ValuesOf(OneTensor(0, {2, 3}, {3, 1})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(ValuesOf(OneTensor(4, {2}, {1})), ElementsAre(4, 5));
  EXPECT_THAT(ValuesOf(OneTensor(5, {}, {})), ElementsAre(5));
  // The stride of a size of 1 means nothing.
  EXPECT_THAT(ValuesOf(OneTensor(1, {1, 3, 1}, {99, 1, 77})), ElementsAre(1, 2, 3));
}

TEST(TorchArchiveTest, FollowsStrides) {
  EXPECT_THAT(ValuesOf(OneTensor(0, {3, 2}, {1, 3})), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(ValuesOf(OneTensor(1, {3}, {2})), ElementsAre(1, 3, 5));
  EXPECT_THAT(ValuesOf(OneTensor(2, {2, 2}, {0, 1})), ElementsAre(2, 3, 2, 3));
  EXPECT_THAT(ValuesOf(OneTensor(0, {2, 1, 3}, {1, 5, 2})), ElementsAre(0, 2, 4, 1, 3, 5));
}

TEST(TorchArchiveTest, EmptyTensorsReachNowhere) {
  EXPECT_THAT(ValuesOf(OneTensor(6, {0}, {1})), ElementsAre());
  EXPECT_THAT(ValuesOf(OneTensor(1000, {3, 0}, {1, 1})), ElementsAre());
}

TEST(TorchArchiveTest, TensorsMayShareAStorage) {
  const std::string storage = pickle::Storage("FloatStorage", "0", 4);
  const std::string file =
      TorchFile(pickle::StateDict({{"a", pickle::Tensor(storage, 0, {2}, {1})},
                                   {"b", pickle::Tensor(storage, 2, {2}, {1})}}),
                {{"0", Floats({1, 2, 3, 4})}}, {true, 0, 0});
  const auto archive = Parse(file);
  ASSERT_TRUE(archive.ok()) << archive.status();
  ASSERT_EQ(archive->tensors().size(), 2u);
  EXPECT_EQ(archive->tensors()[1].name, "b");
  EXPECT_THAT(ToFloats(archive->tensors()[1].tensor), ElementsAre(3, 4));
}

TEST(TorchArchiveTest, OpensAFileAndKeepsItMapped) {
  const shoal::testing::TempDir folder;
  auto opened = TorchArchive::Open(folder.Write("codec.pth", OneTensor(0, {3, 2}, {1, 3})));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const TorchArchive moved = *std::move(opened);
  EXPECT_THAT(ToFloats(moved.tensors().at(0).tensor), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(std::string(TorchArchive::Open(folder.File("gone")).status().message()),
              HasSubstr("gone"));
}

TEST(TorchArchiveTest, ATensorStaysInsideItsStorage) {
  for (const std::string& file :
       {OneTensor(0, {7}, {1}), OneTensor(6, {1}, {1}), OneTensor(0, {2, 3}, {4, 1}),
        OneTensor(int64_t{1} << 60, {1}, {1})}) {
    EXPECT_THAT(ErrorOf(file), AllOf(HasSubstr("codec.pth: tensor \"w\""),
                                     HasSubstr("storage \"0\", which has 6")));
  }
  EXPECT_THAT(ErrorOf(OneTensor(-1, {1}, {1})), HasSubstr("offset should be >= 0"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {-1}, {1})), HasSubstr("should be >= 0"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {2}, {-1})), HasSubstr("should be >= 0"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {2, 3}, {1})), HasSubstr("as many sizes"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {int64_t{1} << 40, int64_t{1} << 40}, {0, 0})),
              HasSubstr("counted"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {3, 3}, {int64_t{1} << 62, int64_t{1} << 62})),
              HasSubstr("counted"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {1 << 30}, {0})), HasSubstr("more elements than its storage"));
}

TEST(TorchArchiveTest, AStorageHasTheSizeItClaims) {
  EXPECT_THAT(ErrorOf(OneTensor(0, {7}, {1}, 7)),
              AllOf(HasSubstr("archive/data/0"), HasSubstr("24 bytes"), HasSubstr("7 elements")));
  EXPECT_THAT(ErrorOf(OneTensor(0, {1}, {1}, -1)), HasSubstr("archive/data/0"));
  EXPECT_THAT(ErrorOf(OneTensor(0, {1}, {1}, (int64_t{1} << 62) + 6)), HasSubstr("archive/data/0"));
}

TEST(TorchArchiveTest, NamesWhatIsMissing) {
  const std::string dict = pickle::StateDict(
      {{"w", pickle::Tensor(pickle::Storage("FloatStorage", "9", 1), 0, {1}, {1})}});
  EXPECT_THAT(ErrorOf(TorchFile(dict, {})),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("\"archive/data/9\" is missing")));
  EXPECT_THAT(ErrorOf(shoal::testing::ZipFile({{"a/b", "x"}})), HasSubstr("no */data.pkl"));
  EXPECT_THAT(ErrorOf(shoal::testing::ZipFile({{"a/data.pkl", dict}, {"a/byteorder", "big"}})),
              HasSubstr("byteorder"));
  EXPECT_THAT(ErrorOf("\x80\x02}."), HasSubstr("codec.pth: not a zip archive"));
}

TEST(TorchArchiveTest, NothingIsExecuted) {
  const std::string attack = pickle::kProto2 + pickle::Global("os", "system") +
                             pickle::Unicode("touch /tmp/owned") + "\x85R.";
  EXPECT_THAT(ErrorOf(TorchFile(attack, {})), HasSubstr("global os.system is not allowed"));
}

}  // namespace
}  // namespace shoal::checkpoint
