// What hostile files cost, measured in a process of its own.

#include "tests/common/audio/recording_bombs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "common/audio/recording.h"
#include "common/audio/resampler.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHOAL_SANITIZED 1
#endif
#endif

namespace shoal::audio {
namespace {

using ::shoal::testing::Bomb;
using ::shoal::testing::ClaimingWav;
using ::shoal::testing::FalseClaims;
using ::shoal::testing::LargeFilesOfNothing;
using ::shoal::testing::RecordingBombs;

#ifdef SHOAL_SANITIZED
constexpr int64_t kSlack = 512 << 20;  // freed memory is kept for a while
#else
constexpr int64_t kSlack = 48 << 20;
#endif

int64_t PeakResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * int64_t{1024};
}

// Ends a process that takes what an honest file never takes.
void Confine() {
  const rlimit minute = {60, 60};
  setrlimit(RLIMIT_CPU, &minute);
#ifndef SHOAL_SANITIZED
  int64_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r"); file != nullptr) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  const auto bytes = static_cast<rlim_t>(pages * sysconf(_SC_PAGESIZE) + (256 << 20));
  const rlimit space = {bytes, bytes};
  setrlimit(RLIMIT_AS, &space);
#endif
}

// The first of them that becomes more samples than `samples`, costs more than kSlack, or ends the
// process; empty when there is none.
std::string FirstThatGoesOff(const std::vector<Bomb>& bombs, const RecordingLimits& limits,
                             size_t samples = 0) {
  for (const Bomb& bomb : bombs) {
    const pid_t child = fork();
    if (child == 0) {
      Confine();
      const int64_t before = PeakResidentBytes();
      const absl::StatusOr<Recording> recording = DecodeRecording(bomb.bytes, limits);
      if (recording.ok()) {
        if (recording->samples.size() > samples) _exit(1);
      } else {
        if (recording.status().code() != absl::StatusCode::kInvalidArgument) _exit(2);
        if (recording.status().message().empty()) _exit(3);
      }
      _exit(PeakResidentBytes() - before > kSlack ? 4 : 0);
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) return bomb.name + ": no process";
    if (WIFSIGNALED(status)) return bomb.name + ": signal " + std::to_string(WTERMSIG(status));
    if (WEXITSTATUS(status) != 0) return bomb.name + ": " + std::to_string(WEXITSTATUS(status));
  }
  return "";
}

TEST(RecordingBombs, AreRefusedInTheMemoryOfAnHonestFile) {
  const std::vector<Bomb> bombs = RecordingBombs(3600);
  for (const Bomb& bomb : bombs) EXPECT_LT(bomb.bytes.size(), 2u << 20) << bomb.name;
  EXPECT_EQ(FirstThatGoesOff(bombs, {}), "");
}

TEST(RecordingBombs, AreRefusedForWhatTheyAre) {
  for (const Bomb& bomb : RecordingBombs(100)) {
    const std::string message(DecodeRecording(bomb.bytes, {}).status().message());
    for (const auto& [end, why] :
         {std::pair("_hours", "limit of 60 s"), std::pair("_undeclared", "limit of 60 s"),
          std::pair("55_channels", "channels; expected 1 to 8"),
          std::pair("1_hz", "Hz; expected 8000"), std::pair("_mhz", "Hz; expected 8000"),
          std::pair("chain", "several streams"), std::pair("nan", "not finite"),
          std::pair("infinity", "not finite"), std::pair("infinities", "not finite"),
          std::pair("gigabyte", "cut short"), std::pair("claims_more", "cut short")}) {
      if (!bomb.name.ends_with(end)) continue;
      EXPECT_THAT(message, ::testing::HasSubstr(why)) << bomb.name;
    }
  }
}

TEST(RecordingBombs, AreRefusedUnderALowerLimit) {
  RecordingLimits limits;
  limits.max_seconds = 0.5;
  EXPECT_EQ(FirstThatGoesOff(RecordingBombs(2), limits), "");
}

TEST(RecordingBombs, LargeFilesOfNothingCostNoMoreThanTheirSize) {
  EXPECT_EQ(FirstThatGoesOff(LargeFilesOfNothing(4 << 20), {}, 48000), "");
}

// What is there decides, whatever the file says of its length.
TEST(RecordingBombs, FalseClaimsOfAShortFileCostNothing) {
  const int64_t before = PeakResidentBytes();
  for (const Bomb& file : FalseClaims()) {
    const absl::StatusOr<Recording> recording = DecodeRecording(file.bytes, {});
    if (recording.ok()) {
      EXPECT_LT(recording->samples.size(), static_cast<size_t>(recording->sample_rate));
    } else {
      EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument);
    }
    EXPECT_EQ(recording.ok(), file.name != "mp3_large_tag") << file.name << recording.status();
  }
  EXPECT_LT(PeakResidentBytes() - before, kSlack);
}

// Sizes in the header that contradict each other: any answer will do, but no crash.
TEST(RecordingBombs, ContradictoryWavHeadersAreSurvived) {
  const std::string samples(2000, '\1');
  for (const uint16_t tag : {1, 3, 6, 7}) {
    for (const uint16_t channels : {1, 2, 8}) {
      for (const uint16_t align : {0, 1, 3, 65535}) {
        for (const uint16_t bits : {0, 1, 7, 24, 65, 65535}) {
          const absl::StatusOr<Recording> recording =
              DecodeRecording(ClaimingWav(tag, channels, 24000, align, bits, 2000, samples), {});
          if (recording.ok()) {
            EXPECT_LE(recording->samples.size(), samples.size());
          } else {
            EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument);
          }
        }
      }
    }
  }
}

// The positions on OGG pages are claims, too.
TEST(RecordingBombs, AbsurdGranulePositionsNeitherCrashNorLengthen) {
  for (const Bomb& bomb : RecordingBombs(1)) {
    if (bomb.name != "opus_hours") continue;
    for (const uint64_t granule : {uint64_t{0}, uint64_t{1} << 62, ~uint64_t{0}, ~uint64_t{1},
                                   uint64_t{1} << 63, uint64_t{311}}) {
      // The last page, made anew: 255 packets of 120 ms.
      const size_t at = bomb.bytes.rfind("OggS");
      const std::string page = bomb.bytes.substr(at);
      const std::string file =
          bomb.bytes.substr(0, at) +
          shoal::testing::OggPage(4, granule, 7, 2, page.substr(27, 255), page.substr(27 + 255));
      const absl::StatusOr<Recording> recording = DecodeRecording(file, {});
      if (recording.ok()) {
        EXPECT_LE(recording->samples.size(), static_cast<size_t>(31 * recording->sample_rate));
      } else {
        EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

}  // namespace
}  // namespace shoal::audio
