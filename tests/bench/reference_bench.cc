// What an uploaded recording costs on this machine: `name value unit` a line. First the codec's
// encoder alone, with one thread and with two; then the whole way of an upload (hash, decode,
// resample, encode), unknown and from each place where codes are kept.
//
//   reference_bench [CODEC [SECONDS]]
//
// CODEC: "default" (random weights of the default voice's sizes), "s2pro" (random weights of S2
// Pro's: 2 GB on the disk while it loads), or a checkpoint folder. SECONDS: of the recording, 10.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <sndfile.h>
#include <sodium.h>

#include <cmath>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "services/preprocess/model/codec_reference_encoder.h"
#include "services/preprocess/references/reference_cache.h"
#include "spdlog/spdlog.h"
#include "tests/bench/figures.h"
#include "tests/common/audio/make_recording.h"
#include "tests/common/codec/random_codec.h"
#include "tests/support/temp_dir.h"
#include "tools/convert_codec.h"

namespace shoal {
namespace {

using bench::Must;
using preprocess::CodecReferenceEncoder;
using preprocess::ReferenceCache;

// Speech-like enough: every call gives another recording.
std::vector<float> Samples(int rate, double seconds) {
  static std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 0.1f);
  std::vector<float> samples(static_cast<size_t>(rate * seconds));
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = 0.4f * std::sin(0.03f * static_cast<float>(i)) + noise(random);
  }
  return samples;
}

// Medians; the processor's time does not count what else runs on a busy machine.
void Report(const bench::Timer& timer, const std::string& name, double audio_seconds) {
  const double rtf = 1e-3 * timer.elapsed() / audio_seconds;
  bench::Print(name, 1e3 * rtf, "ms/s_of_audio");
  bench::Print(name + "_rtf", rtf, "ratio");
  bench::Print(name + "_processor_rtf", 1e-3 * timer.cpu() / audio_seconds, "ratio");
}

class Bench {
 public:
  Bench(const checkpoint::Checkpoint& checkpoint, double seconds)
      : seconds_(seconds),
        encoder_(Must(CodecReferenceEncoder::Load(checkpoint, "benchmark", 1))) {}

  void Encoder() {
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      bench::Timer times;
      for (int i = 0; i < kRounds; ++i) {
        const std::vector<float> samples = Samples(encoder_->sample_rate(), seconds_);
        times.Run([&] { Must(encoder_->Encode(samples, [](double) { return true; })); });
      }
      Report(times, "reference_encoder_threads_" + std::to_string(threads), seconds_);
    }
    at::set_num_threads(1);
  }

  void Upload() {
    const testing::TempDir folder;
    bench::Timer cold, memory, disk;
    for (int i = 0; i < kRounds; ++i) {
      const std::string recording = testing::MakeRecording(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2,
                                                           44100, Stereo(Samples(44100, seconds_)));
      {
        const auto cache = Open(folder.path());
        cold.Run([&] { Get(*cache, recording); });
        memory.Run([&] { Get(*cache, recording); });
      }
      const auto restarted = Open(folder.path());
      disk.Run([&] { Get(*restarted, recording); });
    }
    Report(cold, "reference_upload_cold", seconds_);
    Report(memory, "reference_upload_from_memory", seconds_);
    Report(disk, "reference_upload_from_disk", seconds_);
  }

 private:
  static constexpr int kRounds = 7;

  static std::vector<float> Stereo(const std::vector<float>& mono) {
    std::vector<float> frames;
    for (const float sample : mono) frames.insert(frames.end(), 2, sample);
    return frames;
  }
  std::unique_ptr<ReferenceCache> Open(const std::string& folder) {
    ReferenceCache::Options options;
    options.max_bytes = 64 << 20;
    options.folder = folder;
    options.max_disk_bytes = 64 << 20;
    options.limits.max_seconds = 1e4;
    options.limits.max_bytes = 1 << 30;
    return Must(ReferenceCache::Create(options, encoder_.get(), &metrics_));
  }
  static void Get(ReferenceCache& cache, const std::string& recording) {
    std::promise<absl::StatusOr<preprocess::SharedReference>> promise;
    const ReferenceCache::Ticket ticket =
        cache.Get(recording, [&](absl::StatusOr<preprocess::SharedReference> reference) {
          promise.set_value(std::move(reference));
        });
    Must(promise.get_future().get());
  }

  double seconds_;
  service::Metrics metrics_{"reference_bench"};
  std::unique_ptr<CodecReferenceEncoder> encoder_;
};

// The checkpoint's configuration is read again by what identifies it, so its folder stays.
void Run(const std::string& folder, double seconds) {
  Bench bench(Must(checkpoint::Checkpoint::Open(folder, {.transformer = false, .codec = true})),
              seconds);
  bench.Encoder();
  bench.Upload();
}

int Main(int argc, char** argv) {
  if (sodium_init() < 0) return 1;
  spdlog::set_level(spdlog::level::warn);
  const std::string codec = argc > 1 ? argv[1] : "default";
  const double seconds = argc > 2 ? std::atof(argv[2]) : 10;
  if (codec != "default" && codec != "s2pro") {
    Run(codec, seconds);
    return 0;
  }
  const testing::TempDir folder;
  testing::WriteRandomCodec(
      folder.path(), codec == "default" ? testing::DefaultSizedCodecConfig() : tools::S2ProCodec(),
      1);
  Run(folder.path(), seconds);
  return 0;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
