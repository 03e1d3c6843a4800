// Speed of the engine's model on the CPU: lines `name value unit`.
//
//   engine_bench [CHECKPOINT]
//
// Frames and prefill of the checkpoint given (else of the golden one) and of a random one of the
// size of a small voice, by batch and intra-op threads; and products of that size, packed against
// ATen. Every figure is the median of several runs.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/model/linear.h"
#include "services/ar_engine/model_runner.h"
#include "tests/services/ar_engine/generation.h"
#include "tests/services/ar_engine/random_checkpoint.h"
#include "tests/support/golden.h"

namespace shoal::engine {
namespace {

using model::ProductMode;

double Milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

// Of all threads of this process: unlike the clock, hardly disturbed by what else the machine runs.
double CpuMilliseconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

void Report(const std::string& name, double value, const char* unit) {
  std::printf("%s %.4g %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

// About 14 M parameters in the slow decoder and 4 M in the fast one.
checkpoint::ModelConfig SmallVoice() {
  checkpoint::ModelConfig config = SmallConfig();
  config.text.vocab_size = 4096;
  config.text.n_layer = 8;
  config.text.n_head = config.text.n_local_heads = 6;
  config.text.head_dim = 64;
  config.text.dim = config.text_dim = 384;
  config.text.intermediate_size = 1024;
  config.text.max_seq_len = 2048;
  config.audio = config.text;
  config.audio.vocab_size = 1024;
  config.audio.n_layer = 4;
  config.audio.n_head = config.audio.n_local_heads = 4;
  config.audio.dim = 256;
  config.audio.intermediate_size = 768;
  config.audio.attention_qk_norm = false;
  config.audio.tie_word_embeddings = false;
  config.num_codebooks = 9;
  config.semantic_start = 3000;
  config.semantic_end = 3000 + 1023;
  return config;
}

std::vector<TestSequence> Prompts(const checkpoint::ModelConfig& config, int batch, int length) {
  std::mt19937_64 random(1);
  std::vector<TestSequence> sequences(batch);
  for (TestSequence& sequence : sequences) {
    for (int i = 0; i < length; ++i) {
      const int32_t code = static_cast<int32_t>(random() % config.n_semantic());
      sequence.token_ids.push_back(static_cast<int32_t>(config.semantic_start) + code);
      sequence.codes.insert(sequence.codes.end(), config.num_codebooks, code);
    }
    sequence.sampling.seed = random();
  }
  return sequences;
}

// Prefill of 256 positions at once, then frames of `batch` sequences that stand at about 256
// positions. A sequence that draws its end is put back, so that the batch stays full.
void BenchGeneration(const std::string& name, const checkpoint::Checkpoint& checkpoint,
                     ProductMode mode) {
  const checkpoint::ModelConfig& config = checkpoint.model_config();
  const std::string prefix =
      absl::StrCat(name, mode == ProductMode::kFast ? "/fast" : "/deterministic");
  auto model = ModelRunner::Load(checkpoint, {.num_blocks = 800, .mode = mode});
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.status().ToString().c_str());
    std::exit(1);
  }
  const int length = 256, frames = 40;
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    for (const int batch : {1, 8, 32}) {
      std::vector<TestSequence> sequences = Prompts(config, batch, length);
      ShareBlocks(sequences, frames + 2, (*model)->num_blocks(), 1);
      const double start = Milliseconds();
      Generate(**model, sequences, {config.semantic_start, 1, 1 << 20});
      const std::string suffix = absl::StrCat("/batch", batch, "/threads", threads);
      Report(absl::StrCat(prefix, "/prefill", suffix),
             (Milliseconds() - start) / (batch * length) * 1000, "us_per_position");
      std::vector<double> times, cpu_times;
      for (int frame = 1; frame < frames; ++frame) {
        for (TestSequence& sequence : sequences) {
          if (sequence.ended) sequence.computed -= 1;
          sequence.ended = false;
          sequence.frames.clear();
        }
        const double begin = Milliseconds(), cpu_begin = CpuMilliseconds();
        Generate(**model, sequences, {config.semantic_start, 1, 1 << 20});
        times.push_back(Milliseconds() - begin);
        cpu_times.push_back(CpuMilliseconds() - cpu_begin);
      }
      Report(absl::StrCat(prefix, "/frame", suffix), Median(times), "ms_per_step");
      Report(absl::StrCat(prefix, "/frame_cpu", suffix), Median(cpu_times), "ms_per_step");
    }
  }
  at::set_num_threads(1);
}

// y = x W^T, microseconds: the packed product (bf16 and float32 weights) and ATen's.
void BenchProduct(int64_t out, int64_t in) {
  const c10::InferenceMode inference;
  const at::Tensor weight = at::randn({out, in});
  const model::Linear packed(weight, std::nullopt, ProductMode::kDeterministic);
  const model::Linear packed_bf16(weight.to(at::kBFloat16).to(at::kFloat), std::nullopt,
                                  ProductMode::kDeterministic);
  for (const int64_t rows : {1, 2, 4, 8, 16, 32, 64, 256}) {
    const at::Tensor x = at::randn({rows, in});
    const auto time = [&](const auto& product) {
      const int repeat = static_cast<int>(1 + 30'000'000 / (rows * in * out));
      std::vector<double> times;
      for (int i = 0; i < 15; ++i) {
        const double start = Milliseconds();
        for (int j = 0; j < repeat; ++j) product();
        times.push_back((Milliseconds() - start) * 1000 / repeat);
      }
      return Median(times);
    };
    const std::string name = absl::StrCat("product/", out, "x", in, "/rows", rows);
    Report(absl::StrCat(name, "/packed_bf16"), time([&] { packed_bf16(x); }), "us");
    Report(absl::StrCat(name, "/packed_f32"), time([&] { packed(x); }), "us");
    Report(absl::StrCat(name, "/aten"), time([&] { at::linear(x, weight); }), "us");
  }
}

void Run(const std::string& directory) {
  at::set_num_threads(1);
  BenchProduct(1152, 384);
  BenchProduct(384, 1024);
  BenchProduct(1536, 256);
  const RandomCheckpoint random(SmallVoice());
  const auto opened = checkpoint::Checkpoint::Open(directory, {.transformer = true});
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    std::exit(1);
  }
  for (const ProductMode mode : {ProductMode::kFast, ProductMode::kDeterministic}) {
    BenchGeneration("checkpoint", *opened, mode);
    BenchGeneration("small_voice", random.Open(), mode);
  }
}

}  // namespace
}  // namespace shoal::engine

int main(int argc, char** argv) {
  shoal::engine::Run(argc > 1 ? argv[1] : shoal::testing::GoldenCheckpoint());
}
