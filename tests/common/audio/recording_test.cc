#include "common/audio/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/audio/wav_file.h"
#include "tests/common/audio/make_recording.h"

namespace shoal::audio {
namespace {

using ::shoal::testing::MakeRecording;
using ::shoal::testing::Tone;
using ::shoal::testing::ToneWav;
using ::testing::HasSubstr;

constexpr int kRate = 24000;

std::string ErrorOf(absl::string_view file, const RecordingLimits& limits = {}) {
  const absl::StatusOr<Recording> recording = DecodeRecording(file, limits);
  if (recording.ok()) return "decoded without an error";
  EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument) << recording.status();
  return std::string(recording.status().message());
}

// The largest resident size that this process ever had, in bytes.
size_t PeakResidentBytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

struct Format {
  const char* name;
  int format;
  double tolerance;  // largest difference of a sample; < 0: lossy, compare the loudness instead
};

class DecodesFormat : public ::testing::TestWithParam<Format> {};

TEST_P(DecodesFormat, MonoAndStereo) {
  for (const int channels : {1, 2}) {
    const std::vector<float> frames = Tone(0.5, kRate, channels);
    const std::vector<float> mono = Tone(0.5, kRate);
    const absl::StatusOr<Recording> recording =
        DecodeRecording(MakeRecording(GetParam().format, channels, kRate, frames), {});
    ASSERT_TRUE(recording.ok()) << recording.status();
    EXPECT_EQ(recording->sample_rate, kRate);
    if (GetParam().tolerance >= 0) {
      ASSERT_EQ(recording->samples.size(), mono.size());
      for (size_t i = 0; i < mono.size(); ++i) {
        ASSERT_NEAR(recording->samples[i], mono[i], GetParam().tolerance) << i;
      }
    } else {
      EXPECT_NEAR(static_cast<double>(recording->samples.size()), mono.size(), 0.1 * kRate);
    }
    EXPECT_NEAR(recording->level.loudest_rms, std::sqrt((0.16 + 0.01) / 2), 0.02);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, DecodesFormat,
    ::testing::Values(Format{"wav16", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1e-4},
                      Format{"wav24", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1e-6},
                      Format{"wav8", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 1e-2},
                      Format{"wavfloat", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},
                      Format{"wavdouble", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 1e-7},
                      Format{"wavmulaw", SF_FORMAT_WAV | SF_FORMAT_ULAW, 2e-2},
                      Format{"wavalaw", SF_FORMAT_WAV | SF_FORMAT_ALAW, 2e-2},
                      Format{"wavex", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 1e-4},
                      Format{"flac16", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1e-4},
                      Format{"flac24", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 1e-6},
                      Format{"vorbis", SF_FORMAT_OGG | SF_FORMAT_VORBIS, -1},
                      Format{"opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, -1},
                      Format{"mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, -1}),
    [](const auto& info) { return info.param.name; });

TEST(Recording, TheMonoMixIsTheMeanOfTheChannels) {
  const std::vector<float> frames = {0.5f, -0.5f, 0.25f, 0.75f};
  const absl::StatusOr<Recording> recording =
      DecodeRecording(MakeRecording(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, kRate, frames), {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_THAT(recording->samples, ::testing::ElementsAre(0.0f, 0.5f));
}

TEST(Recording, ReadsAWavThatWasStreamed) {
  const std::string samples = ToneWav(0.1, kRate).substr(kWavHeaderBytes);
  const absl::StatusOr<Recording> recording =
      DecodeRecording(WavHeader(kRate, std::nullopt) + samples, {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->samples.size(), samples.size() / 2);
}

TEST(Recording, EveryCutWavIsRefused) {
  const std::string wav = ToneWav(0.05, kRate);
  for (size_t size = 12; size < wav.size(); size += size < 64 ? 1 : 97) {
    EXPECT_THAT(ErrorOf(wav.substr(0, size)), HasSubstr("cut short")) << size;
  }
}

TEST(Recording, EveryCutFlacAndOggIsRefused) {
  for (const int format : {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                           SF_FORMAT_OGG | SF_FORMAT_OPUS}) {
    const std::string file = MakeRecording(format, 1, kRate, Tone(1.0, kRate));
    // A FLAC encoder may end in padding; a cut of a tenth takes samples for certain.
    for (size_t size = 4; size < file.size() * 9 / 10; size += 1 + file.size() / 50) {
      ErrorOf(file.substr(0, size));
      EXPECT_FALSE(DecodeRecording(file.substr(0, size), {}).ok()) << format << " " << size;
    }
  }
}

TEST(Recording, OtherFilesAreRefusedByKind) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("empty"));
  EXPECT_THAT(ErrorOf("hello, this is a text"), HasSubstr("expected WAV, FLAC, OGG or MP3"));
  EXPECT_THAT(ErrorOf("RIFF\x10\0\0\0AVI LIST"), HasSubstr("expected WAV, FLAC, OGG or MP3"));
  const std::string aiff =
      MakeRecording(SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1, kRate, Tone(0.1, kRate));
  EXPECT_THAT(ErrorOf(aiff), HasSubstr("expected WAV, FLAC, OGG or MP3"));
  const std::string adpcm =
      MakeRecording(SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 1, kRate, Tone(0.1, kRate));
  EXPECT_THAT(ErrorOf(adpcm), HasSubstr("format tag is 17"));
  // The same behind a tag that promises an MP3.
  ErrorOf(std::string("ID3\x03\0\0\0\0\0\0", 10) + aiff);
}

TEST(Recording, GarbageBehindEveryMagicIsRefused) {
  std::string noise;
  uint32_t state = 1;
  for (int i = 0; i < 5000; ++i) {
    state = state * 1664525 + 1013904223;
    noise.push_back(static_cast<char>(state >> 24));
  }
  for (const std::string magic : {"fLaC", "OggS", "ID3"}) {
    const absl::StatusOr<Recording> recording = DecodeRecording(magic + noise, {});
    // Noise may hold what looks like an MPEG frame; it must never be taken as anything longer.
    if (recording.ok()) {
      EXPECT_LT(recording->samples.size(), 100000u) << magic;
    } else {
      EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument);
    }
  }
}

TEST(Recording, ZeroSecondsAreRefused) {
  EXPECT_THAT(ErrorOf(WavHeader(kRate, 0)), HasSubstr("0 s"));
  const std::string flac = MakeRecording(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, kRate, {});
  EXPECT_NE(ErrorOf(flac), "decoded without an error");
}

TEST(Recording, LimitsAreNamed) {
  RecordingLimits limits;
  limits.max_seconds = 1;
  EXPECT_TRUE(DecodeRecording(ToneWav(1.0, kRate), limits).ok());
  EXPECT_THAT(ErrorOf(ToneWav(1.01, kRate), limits), HasSubstr("limit of 1 s"));
  limits.max_bytes = 1000;
  EXPECT_THAT(ErrorOf(ToneWav(0.5, kRate), limits), HasSubstr("the limit is 1000"));
  limits = {};
  limits.max_channels = 2;
  EXPECT_THAT(ErrorOf(ToneWav(0.1, kRate, 3), limits), HasSubstr("3 channels; expected 1 to 2"));
  EXPECT_THAT(ErrorOf(ToneWav(0.1, 4000)), HasSubstr("4000 Hz; expected 8000 to 192000"));
  EXPECT_THAT(ErrorOf(ToneWav(0.01, 384000)), HasSubstr("384000 Hz"));
}

TEST(Recording, SamplesThatAreNotFiniteAreRefused) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    const std::vector<float> frames = {0.1f, bad, 0.2f};
    EXPECT_THAT(ErrorOf(MakeRecording(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 1, kRate, frames)),
                HasSubstr("not finite"));
  }
}

TEST(Recording, SamplesOfAnotherScaleAreRefused) {
  const int format = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
  EXPECT_THAT(ErrorOf(MakeRecording(format, 1, kRate, {0.0f, -20000.0f})),
              HasSubstr("reach 20000 times full scale"));
  // Somewhat beyond full scale is clipped, but a voice.
  EXPECT_TRUE(DecodeRecording(MakeRecording(format, 1, kRate, {0.0f, -3.0f}), {}).ok());
}

// Silence shrinks to almost nothing: an hour of it must not cost the memory of an hour.
TEST(Recording, ABombIsStoppedAtTheLimit) {
  constexpr int kHighRate = 48000;
  const std::vector<float> silence(static_cast<size_t>(kHighRate) * 600, 0.0f);  // 115 MB
  std::vector<std::string> bombs;
  for (const int format : {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_OPUS,
                           SF_FORMAT_OGG | SF_FORMAT_VORBIS}) {
    bombs.push_back(MakeRecording(format, 1, kHighRate, silence));
    ASSERT_LT(bombs.back().size(), 4u << 20);
  }
  RecordingLimits limits;
  limits.max_seconds = 1;
  const size_t before = PeakResidentBytes();  // the silence itself included
  for (const std::string& bomb : bombs) {
    EXPECT_THAT(ErrorOf(bomb, limits), HasSubstr("limit of 1 s"));
  }
  EXPECT_LT(PeakResidentBytes() - before, 32u << 20);
}

TEST(Recording, ADamagedOggIsRefusedWhereItIsDamaged) {
  for (const int format : {SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS}) {
    const std::string file = MakeRecording(format, 1, kRate, Tone(0.5, kRate));
    for (size_t at = 4; at < file.size(); at += 1 + file.size() / 200) {
      std::string damaged = file;
      damaged[at] ^= 0x10;
      ErrorOf(damaged);
      EXPECT_FALSE(DecodeRecording(damaged, {}).ok()) << at;
    }
    EXPECT_THAT(ErrorOf(file + file), HasSubstr("several streams"));
    EXPECT_THAT(ErrorOf(file + "and more"), HasSubstr("damaged"));
  }
}

TEST(Recording, AWavOfManyChunksIsRefused) {
  std::string wav = ToneWav(0.05, kRate);
  EXPECT_TRUE(DecodeRecording(wav + "LIST" + std::string("\4\0\0\0abcd", 8), {}).ok());
  for (int i = 0; i < 1000; ++i) wav += std::string("junk\0\0\0\0", 8);
  EXPECT_THAT(ErrorOf(wav), HasSubstr("more than 256 chunks"));
}

// A header may claim any number of samples; what is there decides.
TEST(Recording, AFalseClaimOfLengthCostsNothing) {
  std::string flac = MakeRecording(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, kRate, Tone(0.2, kRate));
  const size_t before = PeakResidentBytes();
  // STREAMINFO's 36-bit count of samples: the low half of byte 21, then bytes 22 to 25.
  flac[24] = static_cast<char>(0xff);
  EXPECT_THAT(ErrorOf(flac), HasSubstr("cut short or damaged"));
  flac[21] = static_cast<char>(flac[21] | 0x0f);
  for (int i = 22; i < 26; ++i) flac[i] = static_cast<char>(0xff);
  EXPECT_THAT(ErrorOf(flac), HasSubstr("limit of 60 s"));
  EXPECT_LT(PeakResidentBytes() - before, 32u << 20);
}

TEST(Recording, AFlacOfUnknownLengthIsRead) {
  std::string flac = MakeRecording(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1, kRate, Tone(0.2, kRate));
  flac[21] = static_cast<char>(flac[21] & 0xf0);
  for (int i = 22; i < 26; ++i) flac[i] = 0;
  const absl::StatusOr<Recording> recording = DecodeRecording(flac, {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->samples.size(), Tone(0.2, kRate).size());
}

TEST(Recording, FlippedBytesNeverEscapeAsAnythingButAStatus) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                           SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS,
                           SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
    const std::string file = MakeRecording(format, 1, kRate, Tone(0.2, kRate));
    uint32_t state = 7;
    for (int round = 0; round < 60; ++round) {
      std::string damaged = file;
      for (int i = 0; i < 4; ++i) {
        state = state * 1664525 + 1013904223;
        damaged[(state >> 8) % damaged.size()] ^= static_cast<char>(1 + (state & 0x7f));
      }
      const absl::StatusOr<Recording> recording = DecodeRecording(damaged, {});
      if (recording.ok()) {
        EXPECT_TRUE(std::all_of(recording->samples.begin(), recording->samples.end(),
                                [](float sample) { return std::isfinite(sample); }));
      } else {
        EXPECT_EQ(recording.status().code(), absl::StatusCode::kInvalidArgument);
      }
    }
  }
}

}  // namespace
}  // namespace shoal::audio
