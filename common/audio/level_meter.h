// Whether a recording is clipped or too quiet to copy a voice from. Owned by one thread; memory is
// a few numbers a channel however long the recording.
#ifndef SHOAL_COMMON_AUDIO_LEVEL_METER_H_
#define SHOAL_COMMON_AUDIO_LEVEL_METER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace shoal::audio {

struct Level {
  int64_t samples = 0;          // over all channels
  int64_t clipped_samples = 0;  // in runs of at least 3 samples at full scale in one channel
  double loudest_rms = 0;  // of the mono mix, of its loudest 0.4 s; 1.0 = a full-scale square wave

  // One sample in ten thousand: a click is nothing, an overdriven microphone is far above.
  bool clipped() const { return clipped_samples * 10000 > samples; }
  // Below -40 dB of full scale even where it is loudest, noise weighs as much as the voice.
  bool quiet() const { return loudest_rms < 0.01; }
};

class LevelMeter {
 public:
  LevelMeter(int channels, int sample_rate);

  // `frames` holds whole frames of all channels, interleaved. `mono` is their mix.
  void Add(absl::Span<const float> frames, absl::Span<const float> mono);

  // Of all that was added.
  Level Measure() const;

 private:
  void AddMono(float sample);

  int channels_;
  int64_t window_;            // samples of 0.4 s
  std::vector<int64_t> run_;  // (channels) samples at full scale up to now
  Level level_;
  double window_energy_ = 0;
  int64_t window_filled_ = 0;
  double loudest_mean_square_ = 0;
};

}  // namespace shoal::audio

#endif  // SHOAL_COMMON_AUDIO_LEVEL_METER_H_
