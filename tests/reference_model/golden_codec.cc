#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <stdexcept>

#include "tests/reference_model/codec.h"
#include "tests/reference_model/golden_cases.h"

namespace shoal::reference {
namespace {

constexpr double kTolerance = 2e-4;
constexpr double kNarrow = 5e-5;  // margins of a choice that noise might make otherwise

std::string LittleEndian(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

std::string Wav(const std::vector<int16_t>& samples, uint32_t rate) {
  const uint32_t size = 2 * samples.size();
  std::string wav = "RIFF" + LittleEndian(36 + size, 4) + "WAVEfmt " + LittleEndian(16, 4) +
                    LittleEndian(1, 2) + LittleEndian(1, 2) + LittleEndian(rate, 4) +
                    LittleEndian(2 * rate, 4) + LittleEndian(2, 2) + LittleEndian(16, 2) + "data" +
                    LittleEndian(size, 4);
  for (const int16_t sample : samples) wav += LittleEndian(static_cast<uint16_t>(sample), 2);
  return wav;
}

// Two gliding tones and noise.
std::vector<int16_t> Sound(int64_t samples, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int16_t> sound;
  for (int64_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i);
    const double noise = static_cast<double>(random() % 2001) / 1000 - 1;
    const double value =
        0.4 * std::sin(0.03 * t + 1e-5 * t * t) + 0.2 * std::sin(0.41 * t) + 0.15 * noise;
    sound.push_back(static_cast<int16_t>(std::lround(20000 * value)));
  }
  return sound;
}

std::vector<float> Scaled(const std::vector<int16_t>& sound) {
  std::vector<float> samples;
  for (const int16_t sample : sound) samples.push_back(static_cast<float>(sample) / 32768.0f);
  return samples;
}

void WriteRecording(const Codec& codec, const std::string& name, int64_t samples,
                    GoldenFolder& folder) {
  const auto sound = Sound(samples, 5);
  std::vector<std::vector<double>> margins;
  const auto codes = codec.Encode(Scaled(sound), &margins);
  Array margin({codec.config().num_codebooks(), static_cast<int64_t>(codes.size())});
  margin.data.clear();
  for (const auto& row : margins) margin.data.insert(margin.data.end(), row.begin(), row.end());
  folder.Write("codec/" + name + ".wav",
               Wav(sound, static_cast<uint32_t>(codec.config().sample_rate)));
  folder.WriteArrays("codec/" + name + ".safetensors",
                     {Codes("codes", codes, codec.config().num_codebooks()),
                      Floats("vq_margin", margin), Floats("waveform", codec.Decode(codes))},
                     {{"tolerance", {{"waveform", {{"atol", kTolerance}}}}}});
}

void WriteStages(GoldenFolder& folder) {
  std::map<std::string, Array> stages;
  const Codec codec(folder.Path("checkpoint"),
                    [&](const std::string& stage, const Array& output) { stages[stage] = output; });
  const auto samples = Scaled(Sound(6 * codec.config().frame_length - 7, 6));
  std::vector<std::vector<double>> margins;
  const auto codes = codec.Encode(samples, &margins);
  for (const auto& row : margins) {
    if (*std::min_element(row.begin(), row.end()) < kNarrow) {
      throw std::runtime_error("codec/stages: a choice is too narrow");
    }
  }
  codec.Decode(codes);
  std::vector<GoldenArray> arrays = {Floats("samples", samples),
                                     Codes("codes", codes, codec.config().num_codebooks())};
  for (const auto& [stage, output] : stages) arrays.push_back(Floats(stage, output));
  folder.WriteArrays("codec/stages.safetensors", arrays,
                     {{"tolerance", {{"atol", kTolerance}, {"rtol", kTolerance}}}});
}

// Codes of any size that the fast decoder may put out: those beyond a codebook are clamped.
void WriteLengths(const Codec& codec, GoldenFolder& folder) {
  constexpr int64_t kFrames = 40;
  const int64_t num_codebooks = codec.config().num_codebooks();
  std::mt19937 random(7);
  std::vector<std::vector<int64_t>> codes(kFrames, std::vector<int64_t>(num_codebooks));
  for (auto& frame : codes) {
    for (int64_t& code : frame) code = random() % codec.config().quantizer.semantic_codebook_size;
  }
  std::vector<GoldenArray> arrays = {Codes("codes", codes, num_codebooks)};
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{5}, int64_t{17}, kFrames}) {
    arrays.push_back(
        Floats("waveform." + std::to_string(n), codec.Decode({codes.begin(), codes.begin() + n})));
  }
  folder.WriteArrays("codec/lengths.safetensors", arrays, {{"tolerance", {{"atol", kTolerance}}}});
}

}  // namespace

void WriteCodec(GoldenFolder& folder) {
  const Codec codec(folder.Path("checkpoint"));
  const int64_t frame = codec.config().frame_length;
  WriteRecording(codec, "long", 30 * frame - frame / 3, folder);
  WriteRecording(codec, "tiny", frame / 2, folder);
  WriteStages(folder);
  WriteLengths(codec, folder);
}

}  // namespace shoal::reference
