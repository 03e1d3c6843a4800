#include "tests/bench/engine_features.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/ar_engine/model/model_runner.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/bench/figures.h"

namespace shoal::bench {
namespace {

using engine::DrawnFrame;
using engine::Engine;
using engine::FinishReason;
using engine::ModelRunner;
using engine::Request;
using engine::Sequence;
using engine::SequenceChunk;

constexpr int kBlocks = 3000;

// A model that knows what it costs. Its ends are made frames, so that every turn has its full
// length.
class WatchedModel final : public engine::StepModel {
 public:
  explicit WatchedModel(ModelRunner* model, int num_blocks)
      : model_(model), num_blocks_(num_blocks) {}

  absl::StatusOr<std::vector<DrawnFrame>> Step(absl::Span<const SequenceChunk> chunks) override {
    const double start = CpuMilliseconds();
    auto drawn = model_->Step(chunks);
    cpu_ms += CpuMilliseconds() - start;
    for (const SequenceChunk& chunk : chunks) positions += static_cast<int>(chunk.token_ids.size());
    if (!drawn.ok()) Fail(drawn.status());
    for (DrawnFrame& frame : *drawn) {
      if (frame.end) frame.codes.assign(static_cast<size_t>(num_codebooks()), 0);
      frame.end = false;
    }
    return drawn;
  }
  int num_blocks() const override { return num_blocks_; }
  int num_codebooks() const override { return model_->num_codebooks(); }
  int max_seq_len() const override { return model_->max_seq_len(); }

  double cpu_ms = 0;
  int64_t positions = 0;

 private:
  ModelRunner* const model_;
  const int num_blocks_;
};

class CountingSink final : public engine::EngineSink {
 public:
  void OnStarted(const Sequence&) override {}
  absl::Status OnFrame(const Sequence&, uint32_t frame, absl::Span<const int32_t>) override {
    ++frames;
    first_frames += frame == 0;
    return absl::OkStatus();
  }
  void OnFinished(const Sequence&, FinishReason) override {}
  void OnFailed(const Sequence&, const absl::Status& why) override { Fail(why); }

  int frames = 0, first_frames = 0;
};

// An engine with a model of its own. By its clock every step takes 10 ms, so that what it decides
// is the same on every machine.
struct Bench {
  Bench(ModelRunner* runner, int32_t semantic_start, int num_blocks, bool prefix_cache,
        int prefill_tokens)
      : model(runner, num_blocks),
        executor(&model, {.semantic_start = semantic_start}),
        engine({.scheduler = {.max_running = 32,
                              .max_waiting = 1000,
                              .prefill_tokens = prefill_tokens},
                .semantic_start = semantic_start,
                .prefix_cache = prefix_cache,
                .clock = [this] { return now; }},
               &executor, &sink) {}

  void Submit(Request request) {
    if (const absl::Status accepted = engine.Submit(std::move(request)); !accepted.ok()) {
      Fail(accepted);
    }
  }

  Engine::StepReport Step() {
    now += std::chrono::milliseconds(10);
    return engine.Step();
  }

  Engine::TimePoint now;
  WatchedModel model;
  CountingSink sink;
  engine::ModelExecutor executor;
  Engine engine;
};

class Features {
 public:
  Features(std::string name, const checkpoint::Checkpoint& checkpoint)
      : name_(std::move(name)), config_(checkpoint.model_config()) {
    auto model = ModelRunner::Load(
        checkpoint, {.num_blocks = kBlocks, .mode = model::ProductMode::kDeterministic});
    if (!model.ok()) Fail(model.status());
    model_ = *std::move(model);
  }

  void HostWork();
  void PrefixCache();
  void Chunks();
  void Preemption();

 private:
  Bench NewBench(int num_blocks, bool prefix_cache, int prefill_tokens) {
    return Bench(model_.get(), static_cast<int32_t>(config_.semantic_start), num_blocks,
                 prefix_cache, prefill_tokens);
  }

  // A prompt whose first `voice_length` positions are those of `voice`, then text of its own.
  Request NewRequest(uint64_t voice, int voice_length, int text_length, int frames) {
    Request request;
    request.stream = {.front = 1, .high = 0, .low = ++streams_};
    std::mt19937_64 reference(voice), text(streams_);
    for (int i = 0; i < voice_length + text_length; ++i) {
      const bool audio = i < voice_length;
      const int32_t code = static_cast<int32_t>(reference() % config_.n_semantic());
      request.token_ids.push_back(audio ? static_cast<int32_t>(config_.semantic_start) + code
                                        : static_cast<int32_t>(text() % 80));
      request.codes.insert(request.codes.end(), static_cast<size_t>(config_.num_codebooks),
                           audio ? code : 0);
    }
    request.prompt_length = voice_length + text_length;
    request.max_frames = frames;
    request.pinned_length = voice_length;
    request.frame_seconds = 0.04;
    request.sampling.seed = streams_;
    return request;
  }

  // Until a first frame of every request is out.
  void RunToFirstFrames(Bench& bench, int requests) {
    while (bench.sink.first_frames < requests) bench.Step();
  }

  const std::string name_;
  const checkpoint::ModelConfig config_;
  std::unique_ptr<ModelRunner> model_;
  uint64_t streams_ = 0;
};

// Processor time of the engine's steps that is not the model's.
void Features::HostWork() {
  for (const int batch : {1, 8, 32}) {
    Bench bench = NewBench(kBlocks, true, 512);
    for (int i = 0; i < batch; ++i) {
      bench.Submit(NewRequest(static_cast<uint64_t>(i), 200, 50, 300));
    }
    RunToFirstFrames(bench, batch);
    std::vector<double> shares, host_us;
    for (int i = 0; i < 200; ++i) {
      const double model_before = bench.model.cpu_ms, start = CpuMilliseconds();
      const Engine::StepReport report = bench.Step();
      const double all = CpuMilliseconds() - start;
      const double host = all - (bench.model.cpu_ms - model_before);
      if (report.rows != batch) continue;
      shares.push_back(100 * host / all);
      host_us.push_back(1000 * host);
    }
    const std::string suffix = absl::StrCat("/batch", batch);
    Print(absl::StrCat(name_, "/outside_the_model", suffix), Median(host_us), "us_per_step");
    Print(absl::StrCat(name_, "/outside_the_model_share", suffix), Median(shares), "percent");
  }
}

// The first frames of requests whose voice was heard before.
void Features::PrefixCache() {
  Timer with, without;
  for (int round = 0; round < 7; ++round) {
    for (const bool cache : {true, false}) {
      Bench bench = NewBench(kBlocks, cache, 512);
      bench.Submit(NewRequest(7, 450, 60, 1));
      while (!bench.engine.idle()) bench.Step();
      bench.sink.first_frames = 0;
      (cache ? with : without).Run([&] {
        for (int i = 0; i < 8; ++i) {
          bench.Submit(NewRequest(7, 450, 60, 20));
          RunToFirstFrames(bench, i + 1);
        }
      });
    }
  }
  Print(name_ + "/first_frame/known_voice", with.cpu() / 8, "ms");
  Print(name_ + "/first_frame/without_prefix_cache", without.cpu() / 8, "ms");
  Print(name_ + "/first_frame/without_by_with", without.cpu() / with.cpu(), "ratio");
}

// The longest step that eight running streams wait for while a long prompt comes in.
void Features::Chunks() {
  Timer chunked, whole;
  for (int round = 0; round < 5; ++round) {
    for (const int budget : {64, 4096}) {
      Bench bench = NewBench(kBlocks, false, budget);
      for (int i = 0; i < 8; ++i) {
        bench.Submit(NewRequest(static_cast<uint64_t>(i), 200, 50, 400));
      }
      RunToFirstFrames(bench, 8);
      bench.Submit(NewRequest(99, 1000, 100, 10));
      std::vector<double> steps;
      while (bench.sink.first_frames < 9) {
        const double start = CpuMilliseconds();
        bench.Step();
        steps.push_back(CpuMilliseconds() - start);
      }
      const double longest = *std::max_element(steps.begin(), steps.end());
      (budget == 64 ? chunked : whole).Add(longest, longest);
    }
  }
  Print(name_ + "/longest_step/prompt_in_chunks", chunked.cpu(), "ms");
  Print(name_ + "/longest_step/prompt_whole", whole.cpu(), "ms");
  Print(name_ + "/longest_step/whole_by_chunked", whole.cpu() / chunked.cpu(), "ratio");
}

// Turns in a third of the blocks that they need together: those that lose theirs begin again, from
// what the prefix cache still knows of them or from nothing.
void Features::Preemption() {
  double cpu[2] = {};
  for (const bool cache : {true, false}) {
    Bench bench = NewBench(320, cache, 512);
    const double start = CpuMilliseconds();
    for (int i = 0; i < 24; ++i) {
      bench.Submit(NewRequest(static_cast<uint64_t>(i % 3), 300, 100, 150));
    }
    while (!bench.engine.idle()) bench.Step();
    cpu[cache] = CpuMilliseconds() - start;
    const std::string suffix = cache ? "/with_cache" : "/without_cache";
    Print(absl::StrCat(name_, "/few_blocks/preemptions", suffix),
          static_cast<double>(bench.engine.preemptions()), "times");
    Print(absl::StrCat(name_, "/few_blocks/positions_run", suffix),
          static_cast<double>(bench.model.positions), "positions");
    Print(absl::StrCat(name_, "/few_blocks/time", suffix), cpu[cache], "ms");
  }
  Print(name_ + "/few_blocks/without_by_with", cpu[0] / cpu[1], "ratio");
}

}  // namespace

void BenchFeatures(const std::string& name, const checkpoint::Checkpoint& checkpoint) {
  Features features(name, checkpoint);
  features.HostWork();
  features.PrefixCache();
  features.Chunks();
  features.Preemption();
}

}  // namespace shoal::bench
