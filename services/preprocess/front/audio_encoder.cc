#include "services/preprocess/front/audio_encoder.h"

#include <optional>

#include "common/audio/sample_format.h"
#include "common/audio/wav_file.h"

namespace shoal::preprocess {

absl::StatusOr<AudioEncoder> AudioEncoder::Create(const Options& options) {
  absl::StatusOr<audio::Resampler> resampler = audio::Resampler::Create(
      static_cast<int>(options.codec_rate), static_cast<int>(options.output_rate));
  if (!resampler.ok()) return resampler.status();
  return AudioEncoder(options, *std::move(resampler));
}

AudioEncoder::Chunk AudioEncoder::Encode(absl::Span<const float> samples) {
  resampler_.Process(samples, &resampled_);
  return Pack();
}

AudioEncoder::Chunk AudioEncoder::Flush() {
  resampler_.Flush(&resampled_);
  return Pack();
}

AudioEncoder::Chunk AudioEncoder::Finish() {
  Chunk chunk = Flush();
  WriteHeader(&chunk);
  return chunk;
}

void AudioEncoder::WriteHeader(Chunk* chunk) {
  if (options_.encoding != tts::v1::WAV || !options_.streamed_header || header_written_) return;
  chunk->data = audio::WavHeader(options_.output_rate, std::nullopt);
  header_written_ = true;
}

double AudioEncoder::bytes_per_second() const {
  const size_t sample = options_.encoding == tts::v1::FLOAT32 ? sizeof(float) : sizeof(int16_t);
  return static_cast<double>(sample) * options_.output_rate;
}

AudioEncoder::Chunk AudioEncoder::Pack() {
  Chunk chunk;
  chunk.first_sample = samples_;
  chunk.samples = resampled_.size();
  if (resampled_.empty()) return chunk;
  WriteHeader(&chunk);
  if (options_.encoding == tts::v1::FLOAT32) {
    audio::AppendFloat32(resampled_, &chunk.data);
  } else {
    audio::AppendInt16(resampled_, &chunk.data);
  }
  samples_ += chunk.samples;
  resampled_.clear();
  return chunk;
}

}  // namespace shoal::preprocess
