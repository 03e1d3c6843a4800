#include "common/audio/level_meter.h"

#include <algorithm>
#include <cmath>

namespace shoal::audio {
namespace {

// 32767/32768 and what lossy coding makes of it.
constexpr float kFullScale = 0.999f;
constexpr int64_t kShortestRun = 3;

}  // namespace

LevelMeter::LevelMeter(int channels, int sample_rate)
    : channels_(channels), window_(std::max(1, sample_rate * 2 / 5)), run_(channels, 0) {}

void LevelMeter::Add(absl::Span<const float> frames, absl::Span<const float> mono) {
  for (size_t i = 0; i < frames.size(); ++i) {
    int64_t& run = run_[i % channels_];
    if (std::abs(frames[i]) < kFullScale) {
      run = 0;
      continue;
    }
    ++run;
    if (run == kShortestRun) level_.clipped_samples += kShortestRun;
    if (run > kShortestRun) ++level_.clipped_samples;
  }
  level_.samples += static_cast<int64_t>(frames.size());
  for (const float sample : mono) AddMono(sample);
}

void LevelMeter::AddMono(float sample) {
  window_energy_ += double{sample} * sample;
  if (++window_filled_ < window_) return;
  loudest_mean_square_ = std::max(loudest_mean_square_, window_energy_ / window_filled_);
  window_energy_ = 0;
  window_filled_ = 0;
}

Level LevelMeter::Measure() const {
  Level level = level_;
  double loudest = loudest_mean_square_;
  // A last window that is nearly empty says nothing, unless it is all there is.
  if (window_filled_ > 0 && (loudest == 0 || window_filled_ * 2 >= window_)) {
    loudest = std::max(loudest, window_energy_ / window_filled_);
  }
  level.loudest_rms = std::sqrt(loudest);
  return level;
}

}  // namespace shoal::audio
