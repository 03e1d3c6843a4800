// Several processes on one folder, and processes that are killed at any moment.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <set>

#include "services/preprocess/reference_store.h"
#include "tests/services/preprocess/made_references.h"
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

}  // namespace
}  // namespace shoal::preprocess
