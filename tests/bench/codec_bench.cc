// Speed of the codec on this machine: `name value unit` a line, for the golden checkpoint and for a
// random one of about the default voice's sizes, for the checkpoint folder given, or, told `s2pro`,
// for a random decoder of S2 Pro's sizes.
//
//   codec_bench [THREADS [CHECKPOINT | s2pro | golden [STREAMSxFRAMES]...]]
//
// `..._decode_SxF` is a decode step of S streams and F frames of each, divided by both; `..._mm`
// the same for nothing but its products with constant weights, by at::mm, measured in turn with it.
// Times are the least of many, so that a busy machine counts little.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/codec/dac_decoder.h"
#include "common/codec/dac_encoder.h"
#include "tests/bench/codec_work.h"
#include "tests/bench/figures.h"
#include "tests/common/codec/random_codec.h"
#include "tests/support/golden.h"

namespace shoal {
namespace {

using bench::Must;
using checkpoint::Checkpoint;

struct StepSize {
  int64_t streams;
  int64_t frames;
};

double Now() { return bench::ComputeSeconds(at::get_num_threads()); }

// The least time of a few calls in a row: the first of them has the caches to itself again.
template <typename Call>
double LeastSeconds(const Call& call) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i) {
    const double begin = Now();
    call();
    least = std::min(least, Now() - begin);
  }
  return least;
}

// Least times of two calls, in turn for about a second.
template <typename First, typename Second>
std::pair<double, double> LeastSeconds(const First& first, const Second& second) {
  std::pair<double, double> least = {std::numeric_limits<double>::infinity(),
                                     std::numeric_limits<double>::infinity()};
  const double begin = Now();
  for (int i = 0; i < 3 || Now() - begin < 1.0; ++i) {
    least.first = std::min(least.first, LeastSeconds(first));
    least.second = std::min(least.second, LeastSeconds(second));
  }
  return least;
}

void Print(const std::string& name, const std::string& what, double value, const char* unit) {
  std::printf("%s_%s %.5g %s\n", name.c_str(), what.c_str(), value, unit);
  std::fflush(stdout);
}

at::Tensor RandomCodes(const checkpoint::CodecConfig& config, StepSize size) {
  return at::randint(0, config.quantizer.residual_codebook_size,
                     {size.streams, size.frames, config.num_codebooks()},
                     at::TensorOptions(at::kInt));
}

// Decode steps of one size, and their products alone.
void MeasureStep(const std::string& name, const checkpoint::CodecConfig& config,
                 const codec::DacDecoder& decoder, StepSize size) {
  at::Tensor slab = decoder.NewSlab(size.streams);
  std::vector<int64_t> slots;
  for (int64_t i = 0; i < size.streams; ++i) slots.push_back(i);
  const at::Tensor codes = RandomCodes(config, size);
  const auto products = bench::DecodeProducts(config, size.streams, size.frames);
  bench::PlainProducts plain(products);
  const auto [step, mm] =
      LeastSeconds([&] { Must(decoder.Step(slab, slots, codes)); }, [&] { plain.Run(); });
  const double frames = static_cast<double>(size.streams * size.frames);
  const double frame_seconds = static_cast<double>(decoder.frame_length()) / decoder.sample_rate();
  const std::string what = absl::StrCat("decode_", size.streams, "x", size.frames);
  Print(name, what, 1e3 * step / frames, "ms/frame");
  Print(name, what + "_rtf", step / frames / frame_seconds, "ratio");
  Print(name, what + "_mm", 1e3 * mm / frames, "ms/frame");
  Print(name, what + "_to_mm", step / mm, "ratio");
  Print(name, what + "_multiply_adds", 1e-9 * bench::MultiplyAdds(products) / step, "G/s");
}

// The same steps at the beginning of a stream and far into it.
void MeasureStreamLength(const std::string& name, const checkpoint::CodecConfig& config,
                         const codec::DacDecoder& decoder) {
  constexpr int64_t kLate = 5000;
  constexpr int64_t kFrames = 100;
  const at::Tensor one = RandomCodes(config, {1, 1});
  const at::Tensor many = RandomCodes(config, {1, kFrames});
  at::Tensor early = decoder.NewSlab(1);
  at::Tensor late = decoder.NewSlab(1);
  for (int64_t frame = 0; frame < kLate; frame += kFrames) Must(decoder.Step(late, {0}, many));
  const at::Tensor early_begin = early.clone();
  const at::Tensor late_begin = late.clone();
  const auto decode = [&](at::Tensor& slab, const at::Tensor& begin) {
    slab.copy_(begin);
    for (int64_t frame = 0; frame < kFrames; ++frame) Must(decoder.Step(slab, {0}, one));
  };
  const auto [first, last] =
      LeastSeconds([&] { decode(early, early_begin); }, [&] { decode(late, late_begin); });
  Print(name, absl::StrCat("decode_frames_1_to_", kFrames), 1e3 * first / kFrames, "ms/frame");
  Print(name, absl::StrCat("decode_frames_", kLate + 1, "_to_", kLate + kFrames),
        1e3 * last / kFrames, "ms/frame");
}

void MeasureDecoder(const std::string& name, const Checkpoint& checkpoint,
                    const std::vector<StepSize>& sizes) {
  const checkpoint::CodecConfig& config = checkpoint.codec_config();
  const auto decoder = Must(codec::DacDecoder::Load(checkpoint, {}));
  Print(name, "decoder_state", static_cast<double>(decoder->state_bytes()), "bytes");
  Print(name, "decode_multiply_adds_per_frame",
        1e-6 * static_cast<double>(bench::MultiplyAdds(bench::DecodeProducts(config, 1, 1))), "M");
  for (const StepSize size : sizes) MeasureStep(name, config, *decoder, size);
}

void MeasureEncoder(const std::string& name, const Checkpoint& checkpoint) {
  const auto encoder = Must(codec::DacEncoder::Load(checkpoint, {}));
  constexpr double kSeconds = 10;
  const at::Tensor samples =
      at::rand({static_cast<int64_t>(kSeconds * encoder->sample_rate())}) - 0.5;
  const auto [seconds, unused] = LeastSeconds([&] { Must(encoder->Encode(samples)); }, [] {});
  Print(name, "encode_10s_rtf", seconds / kSeconds, "ratio");
}

void Measure(const std::string& name, const Checkpoint& checkpoint,
             const std::vector<StepSize>& sizes) {
  if (!sizes.empty()) return MeasureDecoder(name, checkpoint, sizes);
  MeasureDecoder(name, checkpoint, {{1, 1}, {1, 2}, {1, 4}, {1, 8}, {8, 1}, {8, 8}});
  const auto decoder = Must(codec::DacDecoder::Load(checkpoint, {}));
  MeasureStreamLength(name, checkpoint.codec_config(), *decoder);
  MeasureEncoder(name, checkpoint);
}

std::vector<StepSize> SizesOf(int argc, char** argv) {
  std::vector<StepSize> sizes;
  for (int i = 3; i < argc; ++i) {
    char* rest = nullptr;
    const int64_t streams = std::strtol(argv[i], &rest, 10);
    const int64_t frames = *rest == 'x' ? std::strtol(rest + 1, nullptr, 10) : 0;
    if (streams < 1 || frames < 1) {
      std::fprintf(stderr, "%s: expected STREAMSxFRAMES\n", argv[i]);
      std::exit(2);
    }
    sizes.push_back({streams, frames});
  }
  return sizes;
}

int Main(int argc, char** argv) {
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  const Checkpoint::Parts codec = {.transformer = false, .codec = true};
  const std::string what = argc > 2 ? argv[2] : "";
  std::vector<StepSize> sizes = SizesOf(argc, argv);
  Print("core", "peak_multiply_adds", 1e-9 * bench::PeakMultiplyAdds(), "G/s");
  if (what == "s2pro") {
    if (sizes.empty()) sizes = {{1, 1}, {1, 8}, {8, 1}};
    Measure("s2pro", testing::RandomCodec(testing::S2ProCodecConfig(), 1), sizes);
  } else if (!what.empty() && what != "golden") {
    Measure("codec", Must(Checkpoint::Open(what, codec)), sizes);
  } else {
    Measure("golden", Must(Checkpoint::Open(testing::GoldenCheckpoint(), codec)), sizes);
    if (what.empty()) {
      Measure("default_size", testing::RandomCodec(testing::DefaultSizedCodecConfig(), 1), sizes);
    }
  }
  return 0;
}

}  // namespace
}  // namespace shoal

int main(int argc, char** argv) { return shoal::Main(argc, argv); }
