// Several processes on one folder, and processes that are killed at any moment.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <set>

#include "services/preprocess/references/reference_store.h"
#include "tests/services/preprocess/references/made_references.h"
#include "tests/support/temp_dir.h"

namespace shoal::preprocess {
namespace {

using ::shoal::testing::kCodebooks;
using ::shoal::testing::MadeKey;
using ::shoal::testing::MadeReference;
using ::shoal::testing::Same;
using ::shoal::testing::TempDir;

// What one process has of the store.
struct Process {
  explicit Process(const std::string& folder, int64_t max_bytes = 64 << 20) {
    absl::StatusOr<std::unique_ptr<ReferenceStore>> opened =
        ReferenceStore::Open({.folder = folder,
                              .max_bytes = max_bytes,
                              .encoder = "an encoder",
                              .num_codebooks = kCodebooks},
                             &metrics);
    if (opened.ok()) store = *std::move(opened);
  }

  service::Metrics registry{"test"};
  ReferenceMetrics metrics{&registry};
  std::unique_ptr<ReferenceStore> store;
};

// Runs `body` in a process of its own, whose exit status it returns.
template <typename Body>
pid_t InChild(const Body& body) {
  const pid_t child = fork();
  if (child != 0) return child;
  _exit(body());
}

TEST(ReferenceStoreCrash, AKilledWriterLosesAtMostWhatItWasWriting) {
  const TempDir folder;
  std::set<int> told;  // what a writer said is kept
  for (int round = 0; round < 25; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = InChild([&] {
      Process process(folder.path());
      if (process.store == nullptr) return 1;
      for (int i = 0;; ++i) {
        const int number = 1000 * round + i;
        process.store->Keep(MadeKey(number), MadeReference(number, 500), {});
        if (write(pipe_ends[1], &number, sizeof(number)) != sizeof(number)) return 2;
      }
    });
    ASSERT_GT(child, 0);
    close(pipe_ends[1]);
    int number = 0;
    // Killed while the next ones are written: more of them every round.
    for (int i = 0; i <= round; ++i) {
      ASSERT_EQ(read(pipe_ends[0], &number, sizeof(number)), static_cast<ssize_t>(sizeof(number)));
      told.insert(number);
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    close(pipe_ends[0]);
    Process process(folder.path());
    ASSERT_NE(process.store, nullptr);
    for (const int kept : told) {
      const SharedReference found = process.store->Find(MadeKey(kept));
      ASSERT_NE(found, nullptr) << kept;
      EXPECT_TRUE(Same(*found, MadeReference(kept, 500)));
    }
    EXPECT_EQ(process.metrics.disk_errors.Value(), 0);
  }
}

TEST(ReferenceStoreCrash, ManyProcessesReadWriteAndEvictAtOnce) {
  const TempDir folder;
  std::vector<pid_t> children;
  for (uint32_t seed = 0; seed < 4; ++seed) {
    children.push_back(InChild([&] {
      Process process(folder.path(), 256 << 10);  // far less than all of them write
      if (process.store == nullptr) return 1;
      std::mt19937 random(seed);
      for (int i = 0; i < 300; ++i) {
        const int number = static_cast<int>(random() % 60);
        const SharedReference found = process.store->Find(MadeKey(number));
        if (found == nullptr) {
          process.store->Keep(MadeKey(number), MadeReference(number, 1000), {});
        } else if (!Same(*found, MadeReference(number, 1000))) {
          return 2;
        }
      }
      return process.metrics.disk_errors.Value() == 0 ? 0 : 3;
    }));
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

// A disk without space: what cannot be kept is not there, and nothing else happens.
TEST(ReferenceStoreCrash, AFullDiskIsSurvived) {
  const TempDir folder;
  const pid_t child = InChild([&] {
    Process process(folder.path());
    if (process.store == nullptr) return 1;
    signal(SIGXFSZ, SIG_IGN);  // writes fail instead
    const rlimit limit = {200 << 10, 200 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    int kept = 0;
    for (int number = 0; number < 100; ++number) {
      process.store->Keep(MadeKey(number), MadeReference(number, 2000), {});
      const SharedReference found = process.store->Find(MadeKey(number));
      if (found != nullptr && !Same(*found, MadeReference(number, 2000))) return 2;
      kept += found != nullptr ? 1 : 0;
    }
    if (kept == 0 || kept == 100) return 3;
    return process.metrics.disk_errors.Value() > 0 ? 0 : 4;
  });
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  // With space again, all is well.
  Process process(folder.path());
  ASSERT_NE(process.store, nullptr);
  process.store->Keep(MadeKey(1000), MadeReference(1000), {});
  EXPECT_NE(process.store->Find(MadeKey(1000)), nullptr);
  EXPECT_EQ(process.metrics.disk_errors.Value(), 0);
}

// What a killed process leaves is the file and its log. Damage to either never brings out wrong
// codes.
TEST(ReferenceStoreCrash, ADamagedLogIsSurvived) {
  const TempDir folder;
  Process writer(folder.path() + "/live");
  ASSERT_NE(writer.store, nullptr);
  for (int number = 0; number < 20; ++number) {
    writer.store->Keep(MadeKey(number), MadeReference(number, 300), {});
  }
  const std::string file = folder.Read("live/references-1.sqlite3");
  const std::string log = folder.Read("live/references-1.sqlite3-wal");
  ASSERT_GT(log.size(), 4096u);
  std::filesystem::create_directory(folder.File("left"));
  std::mt19937 random(1);
  for (int round = 0; round < 40; ++round) {
    std::string damaged = log;
    for (int i = 0; i < 1 + round % 4; ++i) damaged[random() % log.size()] ^= 1 + random() % 255;
    if (round % 3 == 0) damaged.resize(random() % log.size());
    std::filesystem::remove_all(folder.File("left"));
    std::filesystem::create_directory(folder.File("left"));
    folder.Write("left/references-1.sqlite3", file);
    folder.Write("left/references-1.sqlite3-wal", damaged);
    Process process(folder.File("left"));
    ASSERT_NE(process.store, nullptr);
    for (int number = 0; number < 20; ++number) {
      const SharedReference found = process.store->Find(MadeKey(number));
      EXPECT_TRUE(found == nullptr || Same(*found, MadeReference(number, 300))) << round;
    }
    process.store->Keep(MadeKey(50), MadeReference(50), {});
    process.store->Keep(MadeKey(50), MadeReference(50), {});
    EXPECT_NE(process.store->Find(MadeKey(50)), nullptr) << round;
  }
}

}  // namespace
}  // namespace shoal::preprocess
