#include "common/audio/resampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace shoal::audio {
namespace {

std::vector<float> Sine(double hz, double seconds, int rate) {
  std::vector<float> samples(static_cast<size_t>(seconds * rate));
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hz * i / rate));
  }
  return samples;
}

TEST(Resampler, PiecesGiveTheSameSamplesAsTheWhole) {
  for (const int to_rate : {8000, 16000, 22050, 24000, 48000}) {
    const std::vector<float> in = Sine(440, 1.0, 44100);
    const absl::StatusOr<std::vector<float>> whole = Resample(in, 44100, to_rate);
    ASSERT_TRUE(whole.ok()) << whole.status();
    for (const size_t piece : {1, 7, 2048, 5000}) {
      absl::StatusOr<Resampler> resampler = Resampler::Create(44100, to_rate);
      ASSERT_TRUE(resampler.ok()) << resampler.status();
      std::vector<float> out;
      for (size_t at = 0; at < in.size(); at += piece) {
        resampler->Process(absl::MakeConstSpan(in).subspan(at, piece), &out);
      }
      resampler->Flush(&out);
      EXPECT_EQ(out, *whole) << to_rate << " in pieces of " << piece;
    }
  }
}

TEST(Resampler, KeepsLengthPitchAndLevel) {
  for (const int to_rate : {8000, 11025, 24000, 48000}) {
    const absl::StatusOr<std::vector<float>> out = Resample(Sine(440, 1.0, 44100), 44100, to_rate);
    ASSERT_TRUE(out.ok()) << out.status();
    ASSERT_EQ(out->size(), static_cast<size_t>(to_rate));
    const std::vector<float> expected = Sine(440, 1.0, to_rate);
    for (size_t i = 1000; i + 1000 < out->size(); ++i) {
      ASSERT_NEAR((*out)[i], expected[i], 1e-3) << to_rate << " at " << i;
    }
  }
}

TEST(Resampler, LetsNothingAboveTheNewNyquistThrough) {
  const absl::StatusOr<std::vector<float>> out = Resample(Sine(6000, 1.0, 44100), 44100, 8000);
  ASSERT_TRUE(out.ok());
  for (size_t i = 1000; i + 1000 < out->size(); ++i) ASSERT_LT(std::abs((*out)[i]), 1e-4);
}

TEST(Resampler, AfterAFlushANewSignalBegins) {
  const std::vector<float> in = Sine(440, 0.3, 44100);
  absl::StatusOr<Resampler> resampler = Resampler::Create(44100, 24000);
  ASSERT_TRUE(resampler.ok());
  std::vector<float> first, second;
  resampler->Process(in, &first);
  resampler->Flush(&first);
  resampler->Process(in, &second);
  resampler->Flush(&second);
  EXPECT_EQ(first.size(), static_cast<size_t>(0.3 * 24000));
  EXPECT_EQ(first, second);
}

TEST(Resampler, EqualRatesPassThrough) {
  const std::vector<float> in = Sine(440, 0.1, 24000);
  const absl::StatusOr<std::vector<float>> out = Resample(in, 24000, 24000);
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(*out, in);
}

TEST(Resampler, ShortAndEmptySignals) {
  for (const size_t size : {0, 1, 2, 100}) {
    const absl::StatusOr<std::vector<float>> out =
        Resample(std::vector<float>(size, 0.5f), 44100, 22050);
    ASSERT_TRUE(out.ok());
    EXPECT_NEAR(static_cast<double>(out->size()), size / 2.0, 1.0);
  }
}

TEST(Resampler, RatesMustBePositive) {
  EXPECT_FALSE(Resampler::Create(0, 24000).ok());
  EXPECT_FALSE(Resampler::Create(44100, -1).ok());
}

}  // namespace
}  // namespace shoal::audio
