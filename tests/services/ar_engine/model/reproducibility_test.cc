// A turn's codes are the same whatever happens around it: on models of many sizes, turns of mixed
// sampling settings run alone, then together, in any order and chunking, joining late, losing their
// KV and rebuilding it, on blocks that others computed, on another number of threads.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "services/ar_engine/model/model_runner.h"
#include "tests/services/ar_engine/model/generation.h"
#include "tests/services/ar_engine/model/mixed_turns.h"
#include "tests/services/ar_engine/model/random_checkpoint.h"

namespace shoal::engine {
namespace {

using model::ProductMode;
using Codes = std::vector<std::vector<std::vector<int32_t>>>;  // sequences, frames, codebooks

constexpr int kBlocks = 160;
constexpr int kFrames = 25;

Codes CodesOf(const std::vector<TestSequence>& sequences) {
  Codes codes;
  for (const TestSequence& sequence : sequences) codes.push_back(sequence.frames);
  return codes;
}

bool Done(const TestSequence& sequence) {
  return sequence.ended || static_cast<int>(sequence.frames.size()) >= kFrames;
}

// Runs sequences as a busy server might: every step takes some of them in any order, by pieces of
// any length; some lose their blocks and start over from prompt and codes; a sequence that starts
// takes over whole blocks that another one with the same beginning has computed.
class BusyServer {
 public:
  BusyServer(ModelRunner& model, int64_t semantic_start, uint64_t seed)
      : model_(model), semantic_start_(semantic_start), random_(seed), users_(kBlocks, 0) {}

  void Run(std::vector<TestSequence>& sequences) {
    sequences_ = &sequences;
    while (!std::all_of(sequences.begin(), sequences.end(), Done)) {
      std::vector<TestSequence*> rows;
      std::vector<int> lengths;
      for (TestSequence& sequence : sequences) {
        if (Done(sequence)) {
          Release(sequence);
        } else if (Chance(8)) {
          preempted += sequence.computed > 0;
          Release(sequence);
        } else if (Chance(4)) {
          continue;
        } else {
          const int length = Chance(2) ? 1 << 20 : 1 + static_cast<int>(random_() % 40);
          if (!Prepare(sequence, length)) continue;
          rows.push_back(&sequence);
          lengths.push_back(length);
        }
      }
      Shuffle(rows, lengths);
      StepSequences(model_, rows, lengths, semantic_start_);
    }
  }

  int preempted = 0;
  int shared_blocks = 0;

 private:
  bool Chance(uint64_t one_in) { return random_() % one_in == 0; }

  void Shuffle(std::vector<TestSequence*>& rows, std::vector<int>& lengths) {
    for (size_t i = rows.size(); i > 1; --i) {
      const size_t j = random_() % i;
      std::swap(rows[i - 1], rows[j]);
      std::swap(lengths[i - 1], lengths[j]);
    }
  }

  void Release(TestSequence& sequence) {
    for (const int32_t block : sequence.block_table) --users_[static_cast<size_t>(block)];
    sequence.block_table.clear();
    sequence.computed = 0;
  }

  // Blocks for the next `length` positions; false where there are none.
  bool Prepare(TestSequence& sequence, int length) {
    if (sequence.computed == 0) TakeOver(sequence);
    const size_t end = std::min(sequence.token_ids.size(), static_cast<size_t>(sequence.computed) +
                                                               static_cast<size_t>(length));
    while (sequence.block_table.size() * StepModel::kBlockPositions < end) {
      std::vector<int32_t> free;
      for (int32_t block = 0; block < kBlocks; ++block) {
        if (users_[static_cast<size_t>(block)] == 0) free.push_back(block);
      }
      if (free.empty()) return false;
      sequence.block_table.push_back(free[random_() % free.size()]);
      ++users_[static_cast<size_t>(sequence.block_table.back())];
    }
    return true;
  }

  // Shares the whole blocks of the longest beginning that another sequence has computed.
  void TakeOver(TestSequence& sequence) {
    const TestSequence* best = nullptr;
    size_t most = 0;
    for (const TestSequence& other : *sequences_) {
      if (&other == &sequence) continue;
      const size_t blocks = CommonBlocks(sequence, other);
      if (blocks > most) {
        best = &other;
        most = blocks;
      }
    }
    if (best == nullptr || Chance(4)) return;
    sequence.block_table.assign(best->block_table.begin(),
                                best->block_table.begin() + static_cast<ptrdiff_t>(most));
    for (const int32_t block : sequence.block_table) ++users_[static_cast<size_t>(block)];
    sequence.computed = static_cast<int32_t>(most) * StepModel::kBlockPositions;
    shared_blocks += static_cast<int>(most);
  }

  // At least one position of `sequence` is left to run.
  size_t CommonBlocks(const TestSequence& sequence, const TestSequence& other) const {
    const size_t codebooks = static_cast<size_t>(model_.num_codebooks());
    const size_t limit =
        std::min(sequence.token_ids.size() - 1, static_cast<size_t>(other.computed));
    size_t same = 0;
    while (same < limit && sequence.token_ids[same] == other.token_ids[same] &&
           std::equal(sequence.codes.begin() + static_cast<ptrdiff_t>(same * codebooks),
                      sequence.codes.begin() + static_cast<ptrdiff_t>((same + 1) * codebooks),
                      other.codes.begin() + static_cast<ptrdiff_t>(same * codebooks))) {
      ++same;
    }
    return same / StepModel::kBlockPositions;
  }

  ModelRunner& model_;
  const int64_t semantic_start_;
  std::mt19937_64 random_;
  std::vector<int> users_;  // by block
  std::vector<TestSequence>* sequences_ = nullptr;
};

// Tests run on one thread by default, so that nothing but ThreadsChangeNothing depends on it.
class ReproducibilityTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override { at::set_num_threads(1); }

  std::unique_ptr<ModelRunner> Load() const {
    auto model = ModelRunner::Load(files_.Open(),
                                   {.num_blocks = kBlocks, .mode = ProductMode::kDeterministic});
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  std::vector<TestSequence> Sequences() const { return MixedTurns(config_, GetParam()); }

  // What each turn is when nothing else runs: its whole prompt, then frame after frame.
  Codes Alone() const {
    const std::unique_ptr<ModelRunner> model = Load();
    std::vector<TestSequence> sequences = Sequences();
    for (TestSequence& sequence : sequences) {
      std::vector<TestSequence> one = {sequence};
      ShareBlocks(one, kFrames, kBlocks, 1);
      Generate(*model, one, {config_.semantic_start, kFrames, 1 << 20});
      sequence = one[0];
    }
    return CodesOf(sequences);
  }

  const checkpoint::ModelConfig config_ = RandomConfig(GetParam());
  const RandomCheckpoint files_{config_, {.seed = GetParam(), .bf16 = GetParam() % 2 == 0}};
};

TEST_P(ReproducibilityTest, TurnsSayDifferentThings) {
  const Codes alone = Alone();
  const std::set<std::vector<std::vector<int32_t>>> distinct(alone.begin(), alone.end());
  size_t frames = 0;
  for (const auto& turn : alone) frames += turn.size();
  EXPECT_GT(distinct.size(), alone.size() / 2);
  EXPECT_GT(frames, alone.size() * 4);
}

TEST_P(ReproducibilityTest, ABatchIsItsTurnsAloneInAnyOrderAndChunks) {
  const Codes alone = Alone();
  const std::unique_ptr<ModelRunner> model = Load();
  std::mt19937_64 random(GetParam());
  std::vector<size_t> order(alone.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (const int chunk : {1 << 20, 16, 7, 1}) {
    const std::vector<TestSequence> sequences = Sequences();
    std::vector<TestSequence> batch;
    for (const size_t i : order) batch.push_back(sequences[i]);
    ShareBlocks(batch, kFrames, kBlocks, random());
    Generate(*model, batch, {config_.semantic_start, kFrames, chunk});
    for (size_t i = 0; i < order.size(); ++i) {
      EXPECT_EQ(batch[i].frames, alone[order[i]]) << "turn " << order[i] << ", chunk " << chunk;
    }
    std::shuffle(order.begin(), order.end(), random);
  }
}

TEST_P(ReproducibilityTest, ABusyServerSaysWhatTheTurnsSayAlone) {
  const Codes alone = Alone();
  const std::unique_ptr<ModelRunner> model = Load();
  int preempted = 0, shared_blocks = 0;
  for (uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<TestSequence> sequences = Sequences();
    BusyServer server(*model, config_.semantic_start, 10 * GetParam() + seed);
    server.Run(sequences);
    const Codes busy = CodesOf(sequences);
    for (size_t i = 0; i < alone.size(); ++i) EXPECT_EQ(busy[i], alone[i]) << "turn " << i;
    preempted += server.preempted;
    shared_blocks += server.shared_blocks;
  }
  EXPECT_GT(preempted, 20);
  EXPECT_GT(shared_blocks, 20);
}

TEST_P(ReproducibilityTest, ThreadsChangeNothing) {
  const Codes alone = Alone();
  const std::unique_ptr<ModelRunner> model = Load();
  at::set_num_threads(3);
  std::vector<TestSequence> batch = Sequences();
  ShareBlocks(batch, kFrames, kBlocks, 1);
  Generate(*model, batch, {config_.semantic_start, kFrames, 1 << 20});
  at::set_num_threads(1);
  EXPECT_EQ(CodesOf(batch), alone);
}

INSTANTIATE_TEST_SUITE_P(Models, ReproducibilityTest, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace shoal::engine
