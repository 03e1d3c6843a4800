#include "common/checkpoint/zip_archive.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/torch_file.h"

namespace shoal::checkpoint {
namespace {

using shoal::testing::ZipFile;
using shoal::testing::ZipOptions;
using ::testing::HasSubstr;

absl::StatusOr<ZipEntries> Parse(const std::string& file) {
  return ParseZip(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(file.data()), file.size()),
                  "f.zip");
}

std::string ErrorOf(const std::string& file) {
  const auto entries = Parse(file);
  return entries.ok() ? "no error" : std::string(entries.status().message());
}

std::string EntryOf(const ZipEntries& entries, const std::string& name) {
  const auto bytes = entries.at(name);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(ZipArchiveTest, ReadsStoredEntries) {
  for (const bool zip64 : {false, true}) {
    const std::string file =
        ZipFile({{"a", "first"}, {"dir/b", ""}, {"c", "third"}}, {zip64, 0, 0});
    const auto entries = Parse(file);
    ASSERT_TRUE(entries.ok()) << entries.status();
    EXPECT_EQ(entries->size(), 3u);
    EXPECT_EQ(EntryOf(*entries, "a"), "first");
    EXPECT_EQ(EntryOf(*entries, "dir/b"), "");
    EXPECT_EQ(EntryOf(*entries, "c"), "third");
  }
}

TEST(ZipArchiveTest, FindsTheEndBeforeAComment) {
  std::string file = ZipFile({{"a", "first"}});
  file[file.size() - 2] = 7;
  EXPECT_EQ(EntryOf(*Parse(file + "comment"), "a"), "first");
}

TEST(ZipArchiveTest, RefusesWhatTorchNeverWrites) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("f.zip: not a zip archive"));
  EXPECT_THAT(ErrorOf(std::string(100, 'x')), HasSubstr("not a zip archive"));
  EXPECT_THAT(ErrorOf(ZipFile({{"a", "x"}}, {false, 8, 0})),
              HasSubstr("entry \"a\" is compressed"));
  EXPECT_THAT(ErrorOf(ZipFile({{"a", "x"}}, {false, 0, 1})), HasSubstr("entry \"a\" is encrypted"));
  EXPECT_THAT(ErrorOf(ZipFile({{"a", "x"}, {"a", "y"}})), HasSubstr("entry \"a\" is there twice"));
}

TEST(ZipArchiveTest, EveryTruncationIsRefused) {
  for (const bool zip64 : {false, true}) {
    const std::string file = ZipFile({{"a", "first"}, {"b", "second"}}, {zip64, 0, 0});
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_NE(ErrorOf(file.substr(0, size)), "no error") << size << " bytes, zip64 " << zip64;
    }
  }
}

// What the headers say must never lead outside the file, whatever they say.
TEST(ZipArchiveTest, AnyByteMayBeWrong) {
  for (const bool zip64 : {false, true}) {
    const std::string file = ZipFile({{"a", "first"}, {"b", "second"}}, {zip64, 0, 0});
    int refused = 0;
    for (size_t at = 0; at < file.size(); ++at) {
      for (const char value : {'\x00', '\x7f', '\xff'}) {
        std::string damaged = file;
        damaged[at] = value;
        const auto entries = Parse(damaged);
        refused += entries.ok() ? 0 : 1;
        if (!entries.ok()) continue;
        for (const auto& [name, bytes] : *entries) {
          EXPECT_GE(reinterpret_cast<const char*>(bytes.data()), damaged.data());
          EXPECT_LE(reinterpret_cast<const char*>(bytes.data() + bytes.size()),
                    damaged.data() + damaged.size());
        }
      }
    }
    EXPECT_GT(refused, 20);
  }
}

}  // namespace
}  // namespace shoal::checkpoint
