#include "services/preprocess/front/audio_encoder.h"

#include <gtest/gtest.h>

#include "common/audio/wav_file.h"

namespace shoal::preprocess {
namespace {

AudioEncoder Make(tts::v1::AudioEncoding encoding, uint32_t output_rate = 24000,
                  bool streamed_header = true) {
  return *AudioEncoder::Create({.encoding = encoding,
                                .codec_rate = 24000,
                                .output_rate = output_rate,
                                .streamed_header = streamed_header});
}

const std::vector<float> kSamples(1000, 0.5f);

TEST(AudioEncoder, SamplesAreNumbered) {
  AudioEncoder encoder = Make(tts::v1::FLOAT32);
  EXPECT_EQ(encoder.Encode(kSamples).first_sample, 0u);
  const AudioEncoder::Chunk second = encoder.Encode(kSamples);
  EXPECT_EQ(second.first_sample, 1000u);
  EXPECT_EQ(second.samples, 1000u);
  EXPECT_EQ(second.data.size(), 4000u);
  EXPECT_EQ(encoder.samples(), 2000u);
}

TEST(AudioEncoder, AWavHasOneHeader) {
  AudioEncoder encoder = Make(tts::v1::WAV);
  EXPECT_EQ(encoder.Encode(kSamples).data.substr(0, audio::kWavHeaderBytes),
            audio::WavHeader(24000, std::nullopt));
  EXPECT_EQ(encoder.Encode(kSamples).data.size(), 2000u);
  EXPECT_TRUE(encoder.Finish().data.empty());
  EXPECT_EQ(Make(tts::v1::WAV, 24000, false).Encode(kSamples).data.size(), 2000u);
}

TEST(AudioEncoder, AWavWithoutSamplesIsStillAWav) {
  EXPECT_EQ(Make(tts::v1::WAV).Finish().data, audio::WavHeader(24000, std::nullopt));
  EXPECT_TRUE(Make(tts::v1::LINEAR16).Finish().data.empty());
}

TEST(AudioEncoder, AFlushPutsEverythingOut) {
  for (const uint32_t rate : {8000u, 16000u, 48000u}) {
    AudioEncoder encoder = Make(tts::v1::LINEAR16, rate);
    uint64_t samples = 0;
    for (int i = 0; i < 3; ++i) {
      const AudioEncoder::Chunk made = encoder.Encode(kSamples);
      EXPECT_EQ(made.first_sample, samples);
      samples += made.samples;
      const AudioEncoder::Chunk rest = encoder.Flush();
      EXPECT_EQ(rest.first_sample, samples);
      samples += rest.samples;
      EXPECT_EQ(rest.data.size(), 2 * rest.samples);
    }
    EXPECT_NEAR(static_cast<double>(samples), 3000.0 * rate / 24000, 3.0);
    EXPECT_EQ(encoder.samples(), samples);
  }
}

}  // namespace
}  // namespace shoal::preprocess
