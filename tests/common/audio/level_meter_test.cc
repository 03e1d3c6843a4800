#include "common/audio/level_meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace shoal::audio {
namespace {

constexpr int kRate = 16000;

Level MeasureMono(const std::vector<float>& samples) {
  LevelMeter meter(1, kRate);
  meter.Add(samples, samples);
  return meter.Measure();
}

std::vector<float> Sine(float peak, size_t n) {
  std::vector<float> samples(n);
  for (size_t i = 0; i < n; ++i) samples[i] = peak * std::sin(0.1f * static_cast<float>(i));
  return samples;
}

TEST(LevelMeter, ASpokenLevelIsNeitherClippedNorQuiet) {
  const Level level = MeasureMono(Sine(0.3f, kRate));
  EXPECT_FALSE(level.clipped());
  EXPECT_FALSE(level.quiet());
  EXPECT_NEAR(level.loudest_rms, 0.3 / std::sqrt(2.0), 0.01);
}

TEST(LevelMeter, AnOverdrivenRecordingIsClipped) {
  std::vector<float> samples = Sine(3.0f, kRate);
  for (float& sample : samples) sample = std::min(1.0f, std::max(-1.0f, sample));
  EXPECT_TRUE(MeasureMono(samples).clipped());
}

TEST(LevelMeter, SinglePeaksAtFullScaleAreNotClipping) {
  std::vector<float> samples = Sine(0.3f, kRate);
  for (size_t i = 0; i < samples.size(); i += 100) samples[i] = 1.0f;
  const Level level = MeasureMono(samples);
  EXPECT_EQ(level.clipped_samples, 0);
  EXPECT_FALSE(level.clipped());
}

TEST(LevelMeter, OneClippedChannelIsEnough) {
  std::vector<float> frames, mono;
  for (int i = 0; i < kRate; ++i) {
    frames.push_back(1.0f);
    frames.push_back(-0.1f);
    mono.push_back(0.45f);
  }
  LevelMeter meter(2, kRate);
  meter.Add(frames, mono);
  EXPECT_EQ(meter.Measure().clipped_samples, kRate);
  EXPECT_TRUE(meter.Measure().clipped());
}

TEST(LevelMeter, SilenceAndWhispersAreQuiet) {
  EXPECT_TRUE(MeasureMono(std::vector<float>(kRate, 0.0f)).quiet());
  EXPECT_TRUE(MeasureMono(Sine(0.005f, kRate)).quiet());
}

TEST(LevelMeter, PausesDoNotMakeARecordingQuiet) {
  std::vector<float> samples(10 * kRate, 0.0f);
  const std::vector<float> word = Sine(0.3f, kRate / 2);
  std::copy(word.begin(), word.end(), samples.begin() + 4 * kRate);
  EXPECT_FALSE(MeasureMono(samples).quiet());
}

TEST(LevelMeter, ARecordingShorterThanAWindowCounts) {
  EXPECT_FALSE(MeasureMono(Sine(0.3f, 500)).quiet());
}

}  // namespace
}  // namespace shoal::audio
