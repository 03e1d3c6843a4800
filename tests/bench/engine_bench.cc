// Speed of the engine's model on the CPU: lines `name value unit`.
//
//   engine_bench [CHECKPOINT [product|checkpoint|small_voice]]
//
// Products of the size of a small voice, packed against ATen; prefill and frames of the checkpoint
// given (else of the golden one) and of a random one of that size, by batch and intra-op threads.
// Every figure is the median of several runs; those that end in /cpu are processor time.
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

void Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Times of the same work, several times over.
class Timer {
 public:
  template <class Work>
  void Run(const Work& work) {
    const double start = Milliseconds(), cpu_start = CpuMilliseconds();
    work();
    elapsed_.push_back(Milliseconds() - start);
    cpu_.push_back(CpuMilliseconds() - cpu_start);
  }

  // Milliseconds times `scale`.
  void Report(const std::string& name, double scale, const char* unit) const {
    std::printf("%s %.4g %s\n", name.c_str(), Median(elapsed_) * scale, unit);
    std::printf("%s/cpu %.4g %s\n", name.c_str(), Median(cpu_) * scale, unit);
    std::fflush(stdout);
  }

 private:
  std::vector<double> elapsed_, cpu_;
};

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

constexpr int kPromptLength = 256;

// A whole prompt of every sequence and its first frame, as one step.
void BenchPrefill(const std::string& suffix, ModelRunner& model,
                  const checkpoint::ModelConfig& config, int batch) {
  Timer timer;
  for (int i = 0; i < (batch > 8 ? 5 : 15); ++i) {
    std::vector<TestSequence> sequences = Prompts(config, batch, kPromptLength);
    ShareBlocks(sequences, 2, model.num_blocks(), 1);
    timer.Run([&] { Generate(model, sequences, {config.semantic_start, 1, 1 << 20}); });
  }
  timer.Report(suffix, 1000.0 / (batch * kPromptLength), "us_per_position");
}

// Frames of `batch` sequences that stand at 256 positions and more.
void BenchFrames(const std::string& suffix, ModelRunner& model,
                 const checkpoint::ModelConfig& config, int batch) {
  const int frames = 60;
  std::vector<TestSequence> sequences = Prompts(config, batch, kPromptLength);
  ShareBlocks(sequences, frames + 2, model.num_blocks(), 1);
  Timer timer;
  for (int frame = 0; frame < frames; ++frame) {
    for (TestSequence& sequence : sequences) {
      // One that drew its end draws again, so that the batch stays full.
      if (sequence.ended) sequence.computed -= 1;
      sequence.ended = false;
      sequence.frames.clear();
    }
    const auto step = [&] { Generate(model, sequences, {config.semantic_start, 1, 1 << 20}); };
    if (frame == 0) {
      step();  // the prompt
    } else {
      timer.Run(step);
    }
  }
  timer.Report(suffix, 1, "ms_per_step");
}

void BenchModel(const std::string& name, const checkpoint::Checkpoint& checkpoint) {
  const checkpoint::ModelConfig& config = checkpoint.model_config();
  auto model = ModelRunner::Load(checkpoint, {.num_blocks = 700});
  if (!model.ok()) Fail(model.status());
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    for (const int batch : {1, 8, 32}) {
      const std::string suffix = absl::StrCat("/batch", batch, "/threads", threads);
      BenchPrefill(absl::StrCat(name, "/prefill", suffix), **model, config, batch);
      BenchFrames(absl::StrCat(name, "/frame", suffix), **model, config, batch);
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
    const auto time = [&](const char* which, const auto& product) {
      const int repeat = static_cast<int>(1 + 30'000'000 / (rows * in * out));
      Timer timer;
      for (int i = 0; i < 15; ++i) {
        timer.Run([&] {
          for (int j = 0; j < repeat; ++j) product();
        });
      }
      timer.Report(absl::StrCat("product/", out, "x", in, "/rows", rows, "/", which),
                   1000.0 / repeat, "us");
    };
    time("packed_bf16", [&] { packed_bf16(x); });
    time("packed_f32", [&] { packed(x); });
    time("aten", [&] { at::linear(x, weight); });
  }
}

void Run(const std::string& directory, const std::string& part) {
  const auto wanted = [&](const char* name) { return part.empty() || part == name; };
  at::set_num_threads(1);
  if (wanted("product")) {
    BenchProduct(1152, 384);
    BenchProduct(384, 1024);
    BenchProduct(1536, 256);
  }
  if (wanted("checkpoint")) {
    const auto opened = checkpoint::Checkpoint::Open(directory, {.transformer = true});
    if (!opened.ok()) Fail(opened.status());
    BenchModel("checkpoint", *opened);
  }
  if (wanted("small_voice")) {
    const RandomCheckpoint random(SmallVoice());
    BenchModel("small_voice", random.Open());
  }
}

}  // namespace
}  // namespace shoal::engine

int main(int argc, char** argv) {
  shoal::engine::Run(argc > 1 ? argv[1] : shoal::testing::GoldenCheckpoint(),
                     argc > 2 ? argv[2] : "");
}
