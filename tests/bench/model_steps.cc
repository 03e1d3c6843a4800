#include "tests/bench/model_steps.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/model/linear.h"
#include "services/ar_engine/model/model_runner.h"
#include "tests/bench/figures.h"
#include "tests/services/ar_engine/model/generation.h"

namespace shoal::bench {
namespace {

using engine::ModelRunner;
using engine::SequenceChunk;
using engine::TestSequence;
using model::ProductMode;

// A reference of about ten seconds and its text.
constexpr int kPromptLength = 256;
constexpr int kNumBlocks = 700;

std::unique_ptr<ModelRunner> Load(const checkpoint::Checkpoint& checkpoint, ProductMode mode) {
  auto model = ModelRunner::Load(checkpoint, {.num_blocks = kNumBlocks, .mode = mode});
  if (!model.ok()) Fail(model.status());
  return *std::move(model);
}

std::vector<TestSequence> Prompts(const checkpoint::ModelConfig& config, int batch, int length) {
  std::mt19937_64 random(1);
  std::vector<TestSequence> sequences(static_cast<size_t>(batch));
  for (TestSequence& sequence : sequences) {
    for (int i = 0; i < length; ++i) {
      const int32_t code = static_cast<int32_t>(random() % config.n_semantic());
      sequence.token_ids.push_back(static_cast<int32_t>(config.semantic_start) + code);
      sequence.codes.insert(sequence.codes.end(), static_cast<size_t>(config.num_codebooks), code);
    }
    sequence.sampling.seed = random();
  }
  ShareBlocks(sequences, 1, kNumBlocks, 1);
  return sequences;
}

// Sequences that stand at the end of their prompts and draw the frame after it again and again.
class Decodes {
 public:
  Decodes(ModelRunner& model, const checkpoint::ModelConfig& config, int batch)
      : model_(model), sequences_(Prompts(config, batch, kPromptLength)) {
    for (TestSequence& sequence : sequences_) {
      sequence.history.assign(sequence.codes.begin(), sequence.codes.begin() + 32);
      SequenceChunk chunk;
      chunk.token_ids = sequence.token_ids;
      chunk.codes = sequence.codes;
      chunk.block_table = sequence.block_table;
      chunk.sampling = &sequence.sampling;
      chunk.history = sequence.history;
      prompts_.push_back(chunk);
      chunk.token_ids = chunk.token_ids.last(1);
      chunk.codes = chunk.codes.last(static_cast<size_t>(config.num_codebooks));
      chunk.start = kPromptLength - 1;
      frames_.push_back(chunk);
    }
    Prefill();
  }

  void Prefill() { Step(prompts_); }
  void Together() { Step(frames_); }
  void OneByOne() {
    for (const SequenceChunk& frame : frames_) Step({frame});
  }

 private:
  void Step(absl::Span<const SequenceChunk> chunks) {
    if (const auto drawn = model_.Step(chunks); !drawn.ok()) Fail(drawn.status());
    for (SequenceChunk& frame : frames_) ++frame.frame;  // another frame, another draw
  }

  ModelRunner& model_;
  std::vector<TestSequence> sequences_;
  std::vector<SequenceChunk> prompts_, frames_;
};

void BenchProduct(int64_t out, int64_t in) {
  const c10::InferenceMode inference;
  const at::Tensor weight = at::randn({out, in});
  const model::Linear packed(weight, std::nullopt, ProductMode::kDeterministic);
  const model::Linear packed_bf16(weight.to(at::kBFloat16).to(at::kFloat), std::nullopt,
                                  ProductMode::kDeterministic);
  for (const int64_t rows : {1, 2, 4, 8, 16, 32, 64, 256}) {
    const at::Tensor x = at::randn({rows, in});
    const int repeat = static_cast<int>(1 + 30'000'000 / (rows * in * out));
    const auto time = [&](const char* which, const auto& product) {
      Timer timer;
      for (int i = 0; i < 15; ++i) {
        timer.Run([&] {
          for (int j = 0; j < repeat; ++j) product();
        });
      }
      timer.Report(absl::StrCat("product/", out, "x", in, "/rows", rows, "/", which),
                   1000.0 / repeat, "us");
      return timer.cpu();
    };
    time("packed_f32", [&] { packed(x); });
    const double ours = time("packed_bf16", [&] { packed_bf16(x); });
    const double theirs = time("aten", [&] { at::linear(x, weight); });
    Print(absl::StrCat("product/", out, "x", in, "/rows", rows, "/aten_by_packed"), theirs / ours,
          "ratio");
  }
}

}  // namespace

void BenchProducts() {
  BenchProduct(1536, 256);
  BenchProduct(1152, 384);
  BenchProduct(6144, 1024);
}

void BenchModel(const std::string& name, const checkpoint::Checkpoint& checkpoint) {
  const checkpoint::ModelConfig& config = checkpoint.model_config();
  const std::unique_ptr<ModelRunner> model = Load(checkpoint, ProductMode::kDeterministic);
  const bool large = config.text.dim >= 1024;
  for (const int batch : {1, 2, 4, 8, 16, 32}) {
    const std::string suffix = absl::StrCat("/batch", batch);
    Decodes decodes(*model, config, batch);
    Timer prefill, frame, one_by_one;
    // In turn, so that what else the machine does meets all of them alike.
    for (int i = 0; i < (large ? 7 : 60); ++i) {
      frame.Run([&] { decodes.Together(); });
      frame.Run([&] { decodes.Together(); });
      if (i % 3 == 0) one_by_one.Run([&] { decodes.OneByOne(); });
      if (i % (large || batch > 4 ? 10 : 3) == 0) prefill.Run([&] { decodes.Prefill(); });
    }
    frame.Report(absl::StrCat(name, "/step", suffix), 1, "ms");
    Print(absl::StrCat(name, "/frames", suffix, "/cpu"), 1000 * batch / frame.cpu(),
          "frames_per_s");
    Print(absl::StrCat(name, "/prefill", suffix, "/cpu"),
          1000 * batch * kPromptLength / prefill.cpu(), "positions_per_s");
    if (batch == 1) continue;
    Print(absl::StrCat(name, "/one_by_one_by_batched", suffix), one_by_one.cpu() / frame.cpu(),
          "ratio");
  }
}

void BenchModes(const std::string& name, const checkpoint::Checkpoint& checkpoint) {
  const std::unique_ptr<ModelRunner> fast = Load(checkpoint, ProductMode::kFast);
  const std::unique_ptr<ModelRunner> deterministic = Load(checkpoint, ProductMode::kDeterministic);
  for (const int batch : {1, 8, 32}) {
    Decodes fast_decodes(*fast, checkpoint.model_config(), batch);
    Decodes deterministic_decodes(*deterministic, checkpoint.model_config(), batch);
    Timer fast_step, deterministic_step;
    for (int i = 0; i < 100; ++i) {
      fast_step.Run([&] { fast_decodes.Together(); });
      deterministic_step.Run([&] { deterministic_decodes.Together(); });
    }
    Print(absl::StrCat(name, "/deterministic_by_fast/batch", batch),
          deterministic_step.cpu() / fast_step.cpu(), "ratio");
  }
}

}  // namespace shoal::bench
