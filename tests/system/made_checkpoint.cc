#include "tests/system/made_checkpoint.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>

#include "common/checkpoint/codec_config.h"
#include "tests/system/process.h"

namespace shoal::testing {
namespace {

int64_t SampleRate(const std::string& checkpoint) {
  const auto config = checkpoint::LoadCodecConfig(checkpoint);
  if (!config.ok()) throw std::runtime_error(config.status().ToString());
  return config->sample_rate;
}

std::vector<int16_t> Chord(int64_t rate, double seconds) {
  std::vector<int16_t> samples(static_cast<size_t>(std::lround(rate * seconds)));
  for (size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / rate;
    const double value = 0.3 * std::sin(2 * M_PI * 220 * t) + 0.2 * std::sin(2 * M_PI * 517 * t) +
                         0.1 * std::sin(2 * M_PI * 1300 * t * (1 + 0.1 * t));
    samples[i] = static_cast<int16_t>(std::lround(value * 32767));
  }
  return samples;
}

void Append(std::string& bytes, const void* data, size_t size) {
  bytes.append(static_cast<const char*>(data), size);
}

void Append32(std::string& bytes, uint32_t value) { Append(bytes, &value, sizeof value); }
void Append16(std::string& bytes, uint16_t value) { Append(bytes, &value, sizeof value); }

}  // namespace

std::string MadeCheckpoint(const std::vector<std::string>& options) {
  static auto& made = *new std::map<std::vector<std::string>, std::string>();
  std::string& folder = made[options];
  if (!folder.empty()) return folder;
  folder = MakeScratchFolder("shoal-checkpoint") + "/tiny";
  std::vector<std::string> command = {std::string(SHOAL_BINARY_DIR) + "/shoal-checkpoint",
                                      "make-tiny", folder};
  command.insert(command.end(), options.begin(), options.end());
  Process process({.command = command,
                   .environment = {},
                   .log_file = folder + ".log",
                   .output_file = "",
                   .input_file = ""});
  if (process.Wait(std::chrono::seconds(120)) != 0) {
    throw std::runtime_error("make-tiny failed: " + process.Log());
  }
  return folder;
}

std::string ToneWav(const std::string& checkpoint, double seconds) {
  const auto rate = static_cast<uint32_t>(SampleRate(checkpoint));
  const auto samples = Chord(rate, seconds);
  const auto bytes = static_cast<uint32_t>(samples.size() * sizeof(int16_t));
  std::string wav = "RIFF";
  Append32(wav, 36 + bytes);
  wav += "WAVEfmt ";
  Append32(wav, 16);
  Append16(wav, 1);  // PCM
  Append16(wav, 1);  // mono
  Append32(wav, rate);
  Append32(wav, rate * 2);
  Append16(wav, 2);
  Append16(wav, 16);
  wav += "data";
  Append32(wav, bytes);
  Append(wav, samples.data(), bytes);
  return wav;
}

std::vector<float> ToneSamples(const std::string& checkpoint, double seconds) {
  std::vector<float> samples;
  for (const int16_t value : Chord(SampleRate(checkpoint), seconds)) {
    samples.push_back(value / 32768.0f);
  }
  return samples;
}

}  // namespace shoal::testing
