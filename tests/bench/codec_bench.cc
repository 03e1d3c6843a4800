// Speed of the codec on this machine: `name value unit` a line, for the golden checkpoint and for a
// random one of about the default voice's sizes, or for the checkpoint folder given.
//
//   codec_bench [THREADS [CHECKPOINT]]
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/codec/dac_decoder.h"
#include "common/codec/dac_encoder.h"
#include "tests/common/codec/random_codec.h"
#include "tests/support/golden.h"

namespace shoal {
namespace {

using checkpoint::Checkpoint;

// With one thread its own processor time, so that a busy machine does not count; else the clock's.
double Now() {
  timespec time;
  clock_gettime(at::get_num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.status().ToString().c_str());
  std::exit(1);
}

// Median time of a call, over a second and at least seven calls.
template <typename Call>
double MedianSeconds(const Call& call) {
  std::vector<double> times;
  for (double total = 0; times.size() < 8 || total < 1.0; total += times.back()) {
    const double begin = Now();
    call();
    times.push_back(Now() - begin);
  }
  times.erase(times.begin());  // the first call also warms up
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void MeasureDecoder(const std::string& name, const Checkpoint& checkpoint) {
  const auto decoder = Must(codec::DacDecoder::Load(checkpoint, {}));
  const double frame_seconds =
      static_cast<double>(decoder->frame_length()) / decoder->sample_rate();
  std::printf("%s_decoder_state %ld bytes\n", name.c_str(), decoder->state_bytes());
  for (const int64_t batch : {1, 8}) {
    for (const int64_t frames : {1, 8}) {
      at::Tensor slab = decoder->NewSlab(batch);
      std::vector<int64_t> slots;
      for (int64_t i = 0; i < batch; ++i) slots.push_back(i);
      const at::Tensor codes = at::randint(0, 1024, {batch, frames, decoder->num_codebooks()},
                                           at::TensorOptions(at::kInt));
      const double seconds =
          MedianSeconds([&] { Must(decoder->Step(slab, slots, codes)); }) / (batch * frames);
      const std::string what =
          name + "_decode_batch_" + std::to_string(batch) + "_frames_" + std::to_string(frames);
      std::printf("%s %.4f ms/frame\n", what.c_str(), 1e3 * seconds);
      std::printf("%s_rtf %.5f ratio\n", what.c_str(), seconds / frame_seconds);
    }
  }
}

void MeasureEncoder(const std::string& name, const Checkpoint& checkpoint) {
  const auto encoder = Must(codec::DacEncoder::Load(checkpoint, {}));
  constexpr double kSeconds = 10;
  const at::Tensor samples =
      at::rand({static_cast<int64_t>(kSeconds * encoder->sample_rate())}) - 0.5;
  const double seconds = MedianSeconds([&] { Must(encoder->Encode(samples)); });
  std::printf("%s_encode_10s_rtf %.5f ratio\n", name.c_str(), seconds / kSeconds);
}

void Measure(const std::string& name, const Checkpoint& checkpoint) {
  MeasureDecoder(name, checkpoint);
  MeasureEncoder(name, checkpoint);
}

int Main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  const Checkpoint::Parts codec = {.transformer = false, .codec = true};
  if (argc > 2) {
    Measure("codec", Must(Checkpoint::Open(argv[2], codec)));
    return 0;
  }
  Measure("golden", Must(Checkpoint::Open(testing::GoldenCheckpoint(), codec)));
  Measure("default_size", testing::RandomCodec(testing::DefaultSizedCodecConfig(), 1));
  return 0;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
