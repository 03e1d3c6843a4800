// A step of a size that was run before allocates nothing but its result, and nothing stays behind.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "services/ar_engine/model/model_runner.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/model/generation.h"
#include "tests/services/ar_engine/model/random_checkpoint.h"

namespace {

std::atomic<int64_t> allocations{0};

void* Counted(void* memory) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return Counted(std::malloc(size)); }
void* operator new(size_t size, std::align_val_t alignment) {
  void* memory = nullptr;
  return Counted(posix_memalign(&memory, static_cast<size_t>(alignment), size) == 0 ? memory
                                                                                    : nullptr);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { std::free(memory); }

namespace shoal::engine {
namespace {

size_t BytesInUse() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class ModelAllocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    auto loaded = ModelRunner::Load(files_.Open(), {.num_blocks = 200});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    model_ = *std::move(loaded);
    for (uint64_t i = 0; i < kBatch; ++i) {
      TestSequence sequence;
      sequence.token_ids.assign(20 + i, 7);
      sequence.codes.assign(sequence.token_ids.size() * static_cast<size_t>(config_.num_codebooks),
                            0);
      sequence.sampling.seed = i;
      // Greedy: a draw that always costs the same.
      sequence.sampling.temperature = 0;
      sequences_.push_back(sequence);
    }
    ShareBlocks(sequences_, 1, 200, 1);
  }

  // The last `positions` of the first `batch` prompts, and a frame of each.
  void Step(size_t batch, size_t positions) {
    chunks_.clear();
    for (size_t i = 0; i < batch; ++i) {
      const TestSequence& sequence = sequences_[i];
      SequenceChunk chunk;
      chunk.token_ids = absl::MakeConstSpan(sequence.token_ids).last(positions);
      chunk.codes = absl::MakeConstSpan(sequence.codes)
                        .last(positions * static_cast<size_t>(config_.num_codebooks));
      chunk.block_table = sequence.block_table;
      chunk.start = static_cast<int32_t>(sequence.token_ids.size() - positions);
      chunk.sampling = &sequence.sampling;
      chunks_.push_back(chunk);
    }
    const auto drawn = model_->Step(chunks_);
    ASSERT_TRUE(drawn.ok()) << drawn.status();
    for (const DrawnFrame& frame : *drawn) ASSERT_TRUE(frame.drawn);
  }

  static constexpr uint64_t kBatch = 12;
  const checkpoint::ModelConfig config_ = SmallConfig();
  const RandomCheckpoint files_{config_};
  std::unique_ptr<ModelRunner> model_;
  std::vector<TestSequence> sequences_;
  std::vector<SequenceChunk> chunks_;
};

TEST_F(ModelAllocationTest, AStepAllocatesItsResultAndTheRowsItDrawsFrom) {
  for (const size_t positions : {1, 20}) {
    Step(kBatch, positions);
    const int64_t before = allocations;
    Step(kBatch, positions);
    // The result, the codes of each frame, and a copy of the logits for each draw.
    const int64_t frame = 1 + config_.num_codebooks;
    EXPECT_LE(allocations - before, 1 + static_cast<int64_t>(kBatch) * frame) << positions;
  }
}

// Takes everything and keeps nothing.
class ForgetfulSink final : public EngineSink {
 public:
  void OnStarted(const Sequence&) override {}
  absl::Status OnFrame(const Sequence&, uint32_t, absl::Span<const int32_t>) override {
    return absl::OkStatus();
  }
  void OnFinished(const Sequence&, FinishReason) override {}
  void OnFailed(const Sequence&, const absl::Status& why) override { ADD_FAILURE() << why; }
};

TEST_F(ModelAllocationTest, ThousandsOfTurnsThroughTheEngineLeaveNothingBehind) {
  const int32_t semantic_start = static_cast<int32_t>(config_.semantic_start);
  ModelExecutor executor(model_.get(), {.semantic_start = semantic_start, .max_in_flight = 2});
  ForgetfulSink sink;
  Engine::TimePoint now;
  Engine engine({.scheduler = {.max_running = 8},
                 .semantic_start = semantic_start,
                 .clock = [&] { return now += std::chrono::milliseconds(1); }},
                &executor, &sink);
  uint64_t stream = 0;
  const auto serve = [&](int turns) {
    for (int i = 0; i < turns; ++i) {
      Request request;
      request.stream.low = ++stream;
      request.token_ids.assign(20 + stream % 60, static_cast<int32_t>(stream % 50));
      request.codes.assign(request.token_ids.size() * static_cast<size_t>(config_.num_codebooks),
                           0);
      request.prompt_length = static_cast<int32_t>(request.token_ids.size());
      request.max_frames = 10;
      request.sampling.seed = stream;
      ASSERT_TRUE(engine.Submit(std::move(request)).ok());
      while (engine.waiting() > 4) engine.Step();
    }
    while (!engine.idle()) engine.Step();
  };
  serve(1000);
  const size_t before = BytesInUse();
  serve(3000);
  // A few bytes a step, of about ten thousand, would be more.
  EXPECT_LT(BytesInUse(), before + 16384);
  EXPECT_GT(engine.blocks().used(), 100);  // the prefix cache is full
}

TEST_F(ModelAllocationTest, ThousandsOfStepsLeaveNothingBehind) {
  const auto round = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      Step(1 + static_cast<size_t>(i) % kBatch, 1 + static_cast<size_t>(i / 5) % 20);
    }
  };
  round(500);
  const size_t before = BytesInUse();
  round(4000);
  EXPECT_EQ(BytesInUse(), before);
}

}  // namespace
}  // namespace shoal::engine
