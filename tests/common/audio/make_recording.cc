#include "tests/common/audio/make_recording.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>
#include <utility>

namespace shoal::testing {
namespace {

struct MemoryFile {
  std::string bytes;
  sf_count_t position = 0;
};

SF_VIRTUAL_IO MemoryFileCalls() {
  SF_VIRTUAL_IO calls = {};
  calls.get_filelen = [](void* data) {
    return static_cast<sf_count_t>(static_cast<MemoryFile*>(data)->bytes.size());
  };
  calls.tell = [](void* data) { return static_cast<MemoryFile*>(data)->position; };
  calls.seek = [](sf_count_t offset, int whence, void* data) {
    MemoryFile& file = *static_cast<MemoryFile*>(data);
    const auto size = static_cast<sf_count_t>(file.bytes.size());
    file.position = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.position : size);
    return file.position;
  };
  calls.read = [](void* out, sf_count_t count, void* data) {
    MemoryFile& file = *static_cast<MemoryFile*>(data);
    const auto left = static_cast<sf_count_t>(file.bytes.size()) - file.position;
    const sf_count_t n = std::min(count, left);
    std::memcpy(out, file.bytes.data() + file.position, static_cast<size_t>(n));
    file.position += n;
    return n;
  };
  calls.write = [](const void* in, sf_count_t count, void* data) {
    MemoryFile& file = *static_cast<MemoryFile*>(data);
    const auto end = static_cast<size_t>(file.position + count);
    if (file.bytes.size() < end) file.bytes.resize(end);
    std::memcpy(file.bytes.data() + file.position, in, static_cast<size_t>(count));
    file.position += count;
    return count;
  };
  return calls;
}

// libsndfile 1.2.0 overflows its stack on long writes to Vorbis and Opus files.
constexpr size_t kBlockFrames = 1024;

class Writer {
 public:
  Writer(int format, int channels, int sample_rate, MemoryFile* memory) : channels_(channels) {
    SF_VIRTUAL_IO calls = MemoryFileCalls();
    SF_INFO info = {};
    info.format = format;
    info.channels = channels;
    info.samplerate = sample_rate;
    file_ = sf_open_virtual(&calls, SFM_WRITE, &info, memory);
    if (file_ == nullptr) throw std::runtime_error(sf_strerror(nullptr));
  }
  ~Writer() { Close(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // At most kBlockFrames frames of all channels.
  void Write(absl::Span<const float> frames) {
    const auto count = static_cast<sf_count_t>(frames.size() / channels_);
    if (sf_writef_float(file_, frames.data(), count) != count) {
      throw std::runtime_error(sf_strerror(file_));
    }
  }
  void Close() {
    if (file_ != nullptr) sf_close(std::exchange(file_, nullptr));
  }

 private:
  int channels_;
  SNDFILE* file_ = nullptr;
};

}  // namespace

std::string MakeRecording(int format, int channels, int sample_rate,
                          absl::Span<const float> frames) {
  MemoryFile memory;
  Writer writer(format, channels, sample_rate, &memory);
  for (size_t at = 0; at < frames.size(); at += kBlockFrames * channels) {
    writer.Write(frames.subspan(at, kBlockFrames * channels));
  }
  writer.Close();
  return memory.bytes;
}

std::string MakeSilence(int format, int channels, int sample_rate, double seconds) {
  MemoryFile memory;
  Writer writer(format, channels, sample_rate, &memory);
  const std::vector<float> zeros(kBlockFrames * channels, 0.0f);
  auto left = static_cast<size_t>(seconds * sample_rate);
  while (left > 0) {
    const size_t count = std::min(left, kBlockFrames);
    writer.Write(absl::MakeConstSpan(zeros).first(count * channels));
    left -= count;
  }
  writer.Close();
  return memory.bytes;
}

std::vector<float> Tone(double seconds, int sample_rate, int channels) {
  std::vector<float> frames(static_cast<size_t>(seconds * sample_rate) * channels);
  for (size_t i = 0; i < frames.size(); ++i) {
    const double t = static_cast<double>(i / channels) / sample_rate;
    const double phase = 2 * std::numbers::pi * 220 * t;
    frames[i] = static_cast<float>(0.4 * std::sin(phase) + 0.1 * std::sin(3 * phase));
  }
  return frames;
}

std::string ToneWav(double seconds, int sample_rate, int channels) {
  return MakeRecording(SF_FORMAT_WAV | SF_FORMAT_PCM_16, channels, sample_rate,
                       Tone(seconds, sample_rate, channels));
}

}  // namespace shoal::testing
