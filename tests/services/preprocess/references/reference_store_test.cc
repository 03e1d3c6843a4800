#include "services/preprocess/references/reference_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "tests/services/preprocess/references/made_references.h"
#include "tests/support/temp_dir.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::kCodebooks;
using ::shoal::testing::MadeKey;
using ::shoal::testing::MadeReference;
using ::shoal::testing::Same;
using ::shoal::testing::TempDir;
using ::testing::HasSubstr;

class ReferenceStoreTest : public ::testing::Test {
 protected:
  using Store = std::unique_ptr<ReferenceStore>;

  ReferenceStore::Options Defaults() const {
    return {.folder = folder_.File("codes"),
            .max_bytes = 8 << 20,
            .encoder = "an encoder",
            .num_codebooks = kCodebooks};
  }
  Store Open() { return Open(Defaults()); }
  Store Open(const ReferenceStore::Options& options) {
    absl::StatusOr<Store> store = ReferenceStore::Open(options, &metrics_);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  static void Keep(const Store& store, int number, int64_t frames = 100) {
    store->Keep(MadeKey(number), MadeReference(number, frames), {});
  }
  // Whether it is there, and as it was made.
  static bool Has(const Store& store, int number, int64_t frames = 100) {
    const SharedReference found = store->Find(MadeKey(number));
    if (found == nullptr) return false;
    EXPECT_TRUE(Same(*found, MadeReference(number, frames))) << number;
    return true;
  }
  std::string File() const { return folder_.File("codes/references-1.sqlite3"); }
  std::string Bytes() const { return folder_.Read("codes/references-1.sqlite3"); }
  void Overwrite(const std::string& bytes) { folder_.Write("codes/references-1.sqlite3", bytes); }

  TempDir folder_;
  service::Metrics registry_{"test"};
  ReferenceMetrics metrics_{&registry_};
};

TEST_F(ReferenceStoreTest, KeepsOverARestart) {
  Store store = Open();
  EXPECT_FALSE(Has(store, 1));
  for (int i = 0; i < 10; ++i) Keep(store, i);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Has(store, i));
  store.reset();
  store = Open();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Has(store, i));
  EXPECT_FALSE(Has(store, 10));
  EXPECT_EQ(metrics_.disk_errors.Value(), 0);
}

TEST_F(ReferenceStoreTest, NobodyElseCanReadIt) {
  const Store store = Open();
  Keep(store, 1);
  using std::filesystem::perms;
  const perms others = perms::group_all | perms::others_all;
  EXPECT_EQ(std::filesystem::status(folder_.File("codes")).permissions() & others, perms::none);
  for (const auto& entry : std::filesystem::directory_iterator(folder_.File("codes"))) {
    EXPECT_EQ(entry.status().permissions() & others, perms::none) << entry.path();
  }
}

TEST_F(ReferenceStoreTest, AnotherEncoderOrShapeSeesNothing) {
  ReferenceStore::Options other = Defaults();
  other.encoder = "another encoder";
  ReferenceStore::Options wider = Defaults();
  wider.num_codebooks = kCodebooks + 1;
  const Store store = Open();
  Keep(store, 1);
  const Store second = Open(other);
  EXPECT_FALSE(Has(second, 1));
  Keep(second, 1);
  EXPECT_TRUE(Has(second, 1));
  EXPECT_TRUE(Has(store, 1));
  EXPECT_FALSE(Has(Open(wider), 1));
}

TEST_F(ReferenceStoreTest, TheLeastRecentlyUsedGoesWhenTheFileIsFull) {
  ReferenceStore::Options options = Defaults();
  options.max_bytes = 1 << 20;
  Store store = Open(options);
  constexpr int64_t kFrames = 2000;  // 16 KB
  for (int i = 0; i < 50; ++i) Keep(store, i, kFrames);
  EXPECT_EQ(metrics_.disk_evictions.Value(), 0);
  EXPECT_TRUE(Has(store, 0, kFrames));  // used now
  store.reset();
  store = Open(options);
  const std::string touched[] = {MadeKey(1)};
  store->Touch(touched);
  for (int i = 50; i < 85; ++i) Keep(store, i, kFrames);
  EXPECT_GT(metrics_.disk_evictions.Value(), 0);
  EXPECT_LE(metrics_.disk_bytes.Value(), options.max_bytes);
  EXPECT_TRUE(Has(store, 0, kFrames));
  EXPECT_TRUE(Has(store, 1, kFrames));
  EXPECT_FALSE(Has(store, 2, kFrames));
  EXPECT_TRUE(Has(store, 84, kFrames));
  store.reset();
  EXPECT_LE(std::filesystem::file_size(File()),
            static_cast<uintmax_t>(options.max_bytes) * 11 / 10);
}

TEST_F(ReferenceStoreTest, ALowerLimitShrinksTheFile) {
  Store store = Open();
  for (int i = 0; i < 100; ++i) Keep(store, i, 2000);
  store.reset();
  EXPECT_GT(std::filesystem::file_size(File()), 1u << 20);
  ReferenceStore::Options options = Defaults();
  options.max_bytes = 1 << 19;
  store = Open(options);
  EXPECT_TRUE(Has(store, 99, 2000));
  EXPECT_FALSE(Has(store, 0, 2000));
  store.reset();
  EXPECT_LE(std::filesystem::file_size(File()), 1u << 19);
}

TEST_F(ReferenceStoreTest, WhatIsLargerThanAllOfItIsNotKept) {
  ReferenceStore::Options options = Defaults();
  options.max_bytes = 1 << 16;
  const Store store = Open(options);
  Keep(store, 1, 100000);
  EXPECT_FALSE(Has(store, 1, 100000));
  Keep(store, 2);
  EXPECT_TRUE(Has(store, 2));
}

TEST_F(ReferenceStoreTest, AnAlienFileIsMovedAside) {
  Store store = Open();
  Keep(store, 1);
  store.reset();
  const std::string good = Bytes();
  const std::string aliens[] = {"hello, this is a text", std::string(100000, 'x'),
                                good.substr(0, 100) + std::string(4000, '\0')};
  int moved = 0;
  for (const std::string& alien : aliens) {
    Overwrite(alien);
    store = Open();
    EXPECT_FALSE(Has(store, 1));
    Keep(store, 1);
    EXPECT_TRUE(Has(store, 1));
    EXPECT_EQ(metrics_.disk_errors.Value(), ++moved);
    EXPECT_EQ(folder_.Read("codes/references-1.sqlite3.unusable"), alien);
    store.reset();
  }
}

TEST_F(ReferenceStoreTest, ADatabaseOfAnotherProgramIsMovedAside) {
  Store store = Open();
  store.reset();
  std::filesystem::remove(File());
  {
    SqliteFile other = *SqliteFile::Open(File(), 0);
    ASSERT_TRUE(other.Execute("CREATE TABLE mail(id, text)").ok());
  }
  store = Open();
  Keep(store, 1);
  EXPECT_TRUE(Has(store, 1));
  store.reset();
  // One that claims to be ours, with other columns.
  {
    SqliteFile other = *SqliteFile::Open(File(), 0);
    ASSERT_TRUE(other.Execute("DROP TABLE reference; CREATE TABLE reference(a, b)").ok());
  }
  store = Open();
  EXPECT_FALSE(Has(store, 1));
  Keep(store, 1);
  EXPECT_TRUE(Has(store, 1));
  EXPECT_EQ(metrics_.disk_errors.Value(), 2);
}

TEST_F(ReferenceStoreTest, AFolderInItsPlaceIsMovedAside) {
  std::filesystem::create_directories(File() + "/with something");
  const Store store = Open();
  Keep(store, 1);
  EXPECT_TRUE(Has(store, 1));
  EXPECT_TRUE(std::filesystem::is_directory(File() + ".unusable"));
}

TEST_F(ReferenceStoreTest, ADamagedRowIsDroppedAlone) {
  Store store = Open();
  Keep(store, 1);
  Keep(store, 2);
  {
    SqliteFile file = *SqliteFile::Open(File(), 1000);
    SqliteStatement change = *file.Prepare("UPDATE reference SET packed = ?1 WHERE key = ?2");
    std::string packed = PackReference(MadeReference(1), MadeKey(1) + "an encoder");
    packed[100] ^= 1;
    const std::string key = MadeKey(1);
    ASSERT_TRUE(change.Bind(1, packed).Bind(2, key).Run().ok());
  }
  EXPECT_FALSE(Has(store, 1));
  EXPECT_EQ(metrics_.disk_errors.Value(), 1);
  EXPECT_TRUE(Has(store, 2));
  Keep(store, 1);
  EXPECT_TRUE(Has(store, 1));
}

// The codes of one recording under the name of another.
TEST_F(ReferenceStoreTest, ASwappedRowIsFound) {
  const Store store = Open();
  Keep(store, 1);
  Keep(store, 2);
  {
    SqliteFile file = *SqliteFile::Open(File(), 1000);
    ASSERT_TRUE(file.Execute("UPDATE reference SET packed = (SELECT packed FROM reference"
                             " ORDER BY used LIMIT 1)")
                    .ok());
  }
  EXPECT_TRUE(Has(store, 1));
  EXPECT_FALSE(Has(store, 2));
}

// 80 kinds of damage: nothing crashes, nothing comes out changed, and the store works afterwards.
TEST_F(ReferenceStoreTest, NoDamageBringsOutWrongCodes) {
  constexpr int kRows = 30;
  Store store = Open();
  for (int i = 0; i < kRows; ++i) Keep(store, i, 20 + 40 * i);
  store.reset();
  const std::string good = Bytes();
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 80; ++round) {
    std::string bad = good;
    switch (round % 4) {
      case 0:
        for (int i = 0; i < 8; ++i) bad[below(bad.size())] ^= static_cast<char>(1 + below(255));
        break;
      case 1:  // where the structure is: the start of a page
        for (int i = 0; i < 4; ++i) {
          bad[4096 * below(bad.size() / 4096) + below(24)] = static_cast<char>(below(256));
        }
        break;
      case 2:
        bad.resize(below(bad.size()));
        break;
      default: {  // one page is another
        const size_t pages = bad.size() / 4096;
        bad.replace(4096 * below(pages), 4096, good.substr(4096 * below(pages), 4096));
      }
    }
    std::filesystem::remove_all(folder_.File("codes"));
    std::filesystem::create_directories(folder_.File("codes"));
    Overwrite(bad);
    store = Open();
    for (int i = 0; i < kRows; ++i) Has(store, i, 20 + 40 * i);
    for (int i = 0; i < 3; ++i) Keep(store, 1000 + i);
    // A damaged file may still fail on its first use; the next finds a new one.
    Keep(store, 1000);
    EXPECT_TRUE(Has(store, 1000)) << round;
    store.reset();
  }
}

TEST_F(ReferenceStoreTest, ADeletedFolderOrFileIsMadeAgain) {
  const Store store = Open();
  Keep(store, 1);
  std::filesystem::remove(File());
  EXPECT_FALSE(Has(store, 1));
  Keep(store, 1);
  EXPECT_TRUE(Has(store, 1));
}

TEST_F(ReferenceStoreTest, TwoProcessesShareAFolder) {
  const Store a = Open(), b = Open();
  Keep(a, 1);
  Keep(b, 2);
  EXPECT_TRUE(Has(b, 1));
  EXPECT_TRUE(Has(a, 2));
}

TEST_F(ReferenceStoreTest, WhenOneMovesTheFileAsideTheOtherFollows) {
  Store a = Open();
  const Store b = Open();
  Keep(a, 1);
  EXPECT_TRUE(Has(b, 1));
  std::filesystem::rename(File(), File() + ".unusable");
  for (const char* part : {"-wal", "-shm"}) std::filesystem::remove(File() + part);
  EXPECT_FALSE(Has(a, 1));
  Keep(a, 2);
  EXPECT_TRUE(Has(b, 2));
  Keep(b, 3);
  a.reset();  // must not take b's log with it
  EXPECT_TRUE(Has(b, 2));
  EXPECT_TRUE(Has(Open(), 3));
  EXPECT_EQ(metrics_.disk_errors.Value(), 0);
}

TEST_F(ReferenceStoreTest, AFolderThatCannotBeIsAnErrorAtOnce) {
  const std::string file = folder_.Write("a file", "");
  ReferenceStore::Options options = Defaults();
  for (const std::string& folder : {file, file + "/below", std::string("/proc/no")}) {
    options.folder = folder;
    const absl::StatusOr<Store> store = ReferenceStore::Open(options, &metrics_);
    ASSERT_FALSE(store.ok());
    EXPECT_THAT(std::string(store.status().message()), HasSubstr(folder));
  }
}

}  // namespace
}  // namespace shoal::preprocess
