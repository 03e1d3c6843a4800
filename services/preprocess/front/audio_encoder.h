// The last step of a session's audio: the codec's float32 samples at the client's rate, in the
// client's encoding, and numbered. Owned by one session; not for several threads.
#ifndef SHOAL_SERVICES_PREPROCESS_FRONT_AUDIO_ENCODER_H_
#define SHOAL_SERVICES_PREPROCESS_FRONT_AUDIO_ENCODER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/audio/resampler.h"
#include "shoal/tts/v1/tts.pb.h"

namespace shoal::preprocess {

class AudioEncoder {
 public:
  struct Options {
    tts::v1::AudioEncoding encoding = tts::v1::LINEAR16;
    uint32_t codec_rate = 0;
    uint32_t output_rate = 0;
    bool streamed_header = true;  // WAV: a header of unknown size before the first samples
  };

  struct Chunk {
    std::string data;           // may be empty: nothing is certain yet
    uint64_t first_sample = 0;  // of all that was encoded, at the output rate
    uint64_t samples = 0;
  };

  static absl::StatusOr<AudioEncoder> Create(const Options& options);

  Chunk Encode(absl::Span<const float> samples);

  // What the resampler still holds back: afterwards everything encoded so far is out.
  Chunk Flush();

  // The end: as Flush, and a streamed WAV without a sample still gets its header.
  Chunk Finish();

  uint64_t samples() const { return samples_; }  // put out so far
  double bytes_per_second() const;               // of what is put out, headers aside

 private:
  AudioEncoder(const Options& options, audio::Resampler resampler)
      : options_(options), resampler_(std::move(resampler)) {}

  Chunk Pack();  // resampled_, which it empties
  void WriteHeader(Chunk* chunk);

  Options options_;
  audio::Resampler resampler_;
  std::vector<float> resampled_;
  uint64_t samples_ = 0;
  bool header_written_ = false;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_FRONT_AUDIO_ENCODER_H_
