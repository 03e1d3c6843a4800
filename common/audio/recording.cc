#include "common/audio/recording.h"

#include <sndfile.h>
#include <soxr.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/audio/container.h"

namespace shoal::audio {
namespace {

struct Closer {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using OpenFile = std::unique_ptr<SNDFILE, Closer>;

// A file of libsndfile that lies in memory.
struct MemoryFile {
  absl::string_view bytes;
  sf_count_t position = 0;

  sf_count_t size() const { return static_cast<sf_count_t>(bytes.size()); }
};

SF_VIRTUAL_IO MemoryFileCalls() {
  SF_VIRTUAL_IO calls = {};
  calls.get_filelen = [](void* data) { return static_cast<MemoryFile*>(data)->size(); };
  calls.tell = [](void* data) { return static_cast<MemoryFile*>(data)->position; };
  calls.seek = [](sf_count_t offset, int whence, void* data) -> sf_count_t {
    MemoryFile& file = *static_cast<MemoryFile*>(data);
    const sf_count_t base =
        whence == SEEK_SET ? 0 : (whence == SEEK_CUR ? file.position : file.size());
    // Offsets come from the file's own fields and may be anything.
    sf_count_t target;
    if (__builtin_add_overflow(base, offset, &target)) return -1;
    if (target < 0) return -1;
    file.position = std::min(target, file.size());
    return file.position;
  };
  calls.read = [](void* out, sf_count_t count, void* data) -> sf_count_t {
    MemoryFile& file = *static_cast<MemoryFile*>(data);
    const sf_count_t n = std::clamp<sf_count_t>(count, 0, file.size() - file.position);
    if (n > 0) std::memcpy(out, file.bytes.data() + file.position, static_cast<size_t>(n));
    file.position += n;
    return n;
  };
  calls.write = [](const void*, sf_count_t, void*) -> sf_count_t { return 0; };
  return calls;
}

absl::Status TooLong(double max_seconds) {
  return absl::InvalidArgumentError(
      absl::StrCat("the recording is longer than the limit of ", max_seconds, " s"));
}

absl::Status CheckLimits(int64_t channels, int64_t sample_rate, const RecordingLimits& limits) {
  if (channels < 1 || channels > limits.max_channels) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the recording has ", channels, " channels; expected 1 to ", limits.max_channels));
  }
  if (sample_rate < limits.min_sample_rate || sample_rate > limits.max_sample_rate) {
    return absl::InvalidArgumentError(absl::StrCat("the recording's sample rate is ", sample_rate,
                                                   " Hz; expected ", limits.min_sample_rate, " to ",
                                                   limits.max_sample_rate));
  }
  return absl::OkStatus();
}

// Of what the header claims, before a decoder sees it: one of 255 channels would be dear to open.
absl::Status CheckClaims(const ContainerFacts& facts, const RecordingLimits& limits) {
  const int64_t channels = facts.channels == 0 ? 1 : facts.channels;
  const int64_t rate = facts.sample_rate == 0 ? limits.min_sample_rate : facts.sample_rate;
  if (absl::Status status = CheckLimits(channels, rate, limits); !status.ok()) return status;
  const double seconds = static_cast<double>(facts.frames) / static_cast<double>(rate);
  return seconds > limits.max_seconds ? TooLong(limits.max_seconds) : absl::OkStatus();
}

absl::Status CheckFormat(const SF_INFO& info, const RecordingLimits& limits) {
  switch (info.format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_FLAC:
    case SF_FORMAT_OGG:
    case SF_FORMAT_MPEG:
      return CheckLimits(info.channels, info.samplerate, limits);
    default:
      return absl::InvalidArgumentError(
          "not an audio file this server reads: expected WAV, FLAC, OGG or MP3");
  }
}

// Anything beyond full scale is a fault, but decoders of lossy formats overshoot by some. What is
// far beyond it has another scale, and no voice can be heard in it.
constexpr float kLoudest = 16;

absl::Status CheckSamples(absl::Span<const float> samples) {
  float loudest = 0;
  for (const float sample : samples) {
    if (!std::isfinite(sample)) {
      return absl::InvalidArgumentError("the recording holds samples that are not finite numbers");
    }
    loudest = std::max(loudest, std::abs(sample));
  }
  if (loudest <= kLoudest) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the recording's samples reach ", loudest,
                                                 " times full scale; expected at most ", kLoudest));
}

// `mono` gets one sample a frame.
void MixDown(absl::Span<const float> frames, int channels, absl::Span<float> mono) {
  for (size_t i = 0; i < mono.size(); ++i) {
    float sum = 0;
    for (int c = 0; c < channels; ++c) sum += frames[i * channels + c];
    mono[i] = sum / static_cast<float>(channels);
  }
}

absl::StatusOr<Recording> ReadAll(SNDFILE* file, const SF_INFO& info, double max_seconds) {
  constexpr sf_count_t kBlockFrames = 4096;
  const auto max_frames = static_cast<size_t>(max_seconds * info.samplerate);
  std::vector<float> block(static_cast<size_t>(kBlockFrames * info.channels));
  LevelMeter meter(info.channels, info.samplerate);
  Recording recording;
  recording.sample_rate = info.samplerate;
  std::vector<float>& samples = recording.samples;
  // Growing would take the memory of up to three times as many.
  samples.reserve(
      std::clamp<size_t>(static_cast<size_t>(std::max<sf_count_t>(info.frames, 0)), 0, max_frames));
  for (;;) {
    const sf_count_t got = sf_readf_float(file, block.data(), kBlockFrames);
    if (got <= 0) break;
    const size_t before = samples.size();
    if (before + static_cast<size_t>(got) > max_frames) return TooLong(max_seconds);
    samples.resize(before + static_cast<size_t>(got));
    const absl::Span<const float> frames(block.data(), static_cast<size_t>(got * info.channels));
    const absl::Span<float> mono = absl::MakeSpan(samples).subspan(before);
    if (absl::Status status = CheckSamples(frames); !status.ok()) return status;
    MixDown(frames, info.channels, mono);
    meter.Add(frames, mono);
  }
  recording.level = meter.Measure();
  return recording;
}

}  // namespace

absl::StatusOr<Recording> DecodeRecording(absl::string_view file, const RecordingLimits& limits) {
  if (file.empty()) {
    return absl::InvalidArgumentError(
        "the recording is empty: expected a WAV, FLAC, OGG or MP3 file");
  }
  if (file.size() > limits.max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the recording has ", file.size(), " bytes; the limit is ", limits.max_bytes));
  }
  const absl::StatusOr<ContainerFacts> claims = InspectContainer(file);
  if (!claims.ok()) return claims.status();
  if (absl::Status status = CheckClaims(*claims, limits); !status.ok()) return status;

  MemoryFile memory{file};
  SF_VIRTUAL_IO calls = MemoryFileCalls();
  SF_INFO info = {};
  const OpenFile open(sf_open_virtual(&calls, SFM_READ, &info, &memory));
  if (open == nullptr) {
    // libsndfile keeps one reason for all threads, so it may be another recording's.
    return absl::InvalidArgumentError("the recording cannot be read: it is damaged or cut short");
  }
  if (absl::Status status = CheckFormat(info, limits); !status.ok()) return status;

  absl::StatusOr<Recording> recording = ReadAll(open.get(), info, limits.max_seconds);
  if (!recording.ok()) return recording;
  if (recording->samples.empty()) {
    return absl::InvalidArgumentError("the recording lasts 0 s: expected at least one sample");
  }
  // A FLAC file says how many samples it has; the others are cut short where their container is.
  const auto found = static_cast<sf_count_t>(recording->samples.size());
  if (claims->kind == Container::kFlac && info.frames > found && info.frames != SF_COUNT_MAX) {
    return absl::InvalidArgumentError(absl::StrCat("the file is cut short or damaged: it declares ",
                                                   info.frames, " samples, ", found,
                                                   " can be decoded"));
  }
  return recording;
}

std::string DecodingVersion() {
  // To be raised by whoever changes what this folder makes of a file.
  constexpr int kVersion = 1;
  return absl::StrCat("shoal ", kVersion, ", ", sf_version_string(), ", ", soxr_version());
}

}  // namespace shoal::audio
