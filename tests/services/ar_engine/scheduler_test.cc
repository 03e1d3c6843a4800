#include "services/ar_engine/scheduler.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/requests.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const HashingModel::Options kSizes;

bool NotHeld(const Sequence&) { return false; }

std::unique_ptr<Sequence> MakeSequence(uint64_t stream, int prompt_length, int max_frames) {
  return std::make_unique<Sequence>(RandomRequest(stream, prompt_length, max_frames, kSizes),
                                    kSizes.num_codebooks, kSizes.semantic_start,
                                    Sequence::TimePoint());
}

struct Piece {
  uint64_t stream;
  int positions;
  bool operator==(const Piece&) const = default;
  friend void PrintTo(const Piece& piece, std::ostream* out) {
    *out << piece.stream << ":" << piece.positions;
  }
};

std::vector<Piece> Pieces(const std::vector<ScheduledChunk>& work) {
  std::vector<Piece> pieces;
  for (const ScheduledChunk& chunk : work) {
    pieces.push_back({chunk.sequence->stream().low, chunk.positions});
  }
  return pieces;
}

// What the engine does with a step's work; drawn codes are all 0.
void RunWork(const std::vector<ScheduledChunk>& work) {
  const std::vector<int32_t> codes(kSizes.num_codebooks);
  for (const ScheduledChunk& chunk : work) {
    const bool draws = chunk.positions == chunk.sequence->remaining();
    chunk.sequence->OnLaunched(chunk.positions, 0);
    chunk.sequence->OnCollected(chunk.positions, true);
    if (draws) chunk.sequence->Append(codes, Sequence::TimePoint());
  }
}

std::vector<Piece> NextStep(Scheduler& scheduler) {
  const std::vector<ScheduledChunk> work = scheduler.Next(NotHeld);
  RunWork(work);
  return Pieces(work);
}

TEST(SchedulerTest, DecodesComeFirstThenPiecesOfPromptsInOrderOfArrival) {
  BlockPool blocks(64);
  Scheduler scheduler({.max_running = 8, .max_waiting = 8, .prefill_tokens = 10}, &blocks);
  ASSERT_TRUE(scheduler.Add(MakeSequence(1, 4, 50)).ok());
  ASSERT_TRUE(scheduler.Add(MakeSequence(2, 15, 50)).ok());
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 4}, Piece{2, 6}));
  ASSERT_TRUE(scheduler.Add(MakeSequence(3, 3, 50)).ok());
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 1}, Piece{2, 9}, Piece{3, 1}));
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 1}, Piece{2, 1}, Piece{3, 2}));
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 1}, Piece{2, 1}, Piece{3, 1}));
}

TEST(SchedulerTest, NobodyOvertakesTheOneWhoseBlocksAreNotFree) {
  BlockPool blocks(4);
  Scheduler scheduler({.max_running = 8, .max_waiting = 8, .prefill_tokens = 1000}, &blocks);
  ASSERT_TRUE(scheduler.Add(MakeSequence(1, 16, 32)).ok());  // 3 blocks
  ASSERT_TRUE(scheduler.Add(MakeSequence(2, 16, 16)).ok());  // 2
  ASSERT_TRUE(scheduler.Add(MakeSequence(3, 8, 8)).ok());    // 1
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 16}));
  EXPECT_EQ(scheduler.waiting(), 2);
  scheduler.Remove(scheduler.sequences()[0]);
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{2, 16}, Piece{3, 8}));
}

TEST(SchedulerTest, AFullQueueRefusesNamingItsLimits) {
  BlockPool blocks(64);
  Scheduler scheduler({.max_running = 1, .max_waiting = 1, .prefill_tokens = 10}, &blocks);
  ASSERT_TRUE(scheduler.Add(MakeSequence(1, 4, 4)).ok());
  ASSERT_TRUE(scheduler.Add(MakeSequence(2, 4, 4)).ok());
  const absl::Status refused = scheduler.Add(MakeSequence(3, 4, 4));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max-waiting 1"));
  EXPECT_THAT(NextStep(scheduler), ElementsAre(Piece{1, 4}));
  EXPECT_FALSE(scheduler.Add(MakeSequence(3, 4, 4)).ok());
  scheduler.Remove(scheduler.sequences()[0]);
  EXPECT_TRUE(scheduler.Add(MakeSequence(3, 4, 4)).ok());
}

TEST(SchedulerTest, AHeldSequenceSitsOutAndTheOthersGoOn) {
  BlockPool blocks(64);
  Scheduler scheduler({.max_running = 8, .max_waiting = 8, .prefill_tokens = 10}, &blocks);
  ASSERT_TRUE(scheduler.Add(MakeSequence(1, 4, 50)).ok());
  ASSERT_TRUE(scheduler.Add(MakeSequence(2, 4, 50)).ok());
  const auto first_held = [](const Sequence& sequence) { return sequence.stream().low == 1; };
  EXPECT_THAT(Pieces(scheduler.Next(first_held)), ElementsAre(Piece{2, 4}));
  EXPECT_THAT(Pieces(scheduler.Next([](const Sequence&) { return true; })), IsEmpty());
  EXPECT_EQ(scheduler.running(), 2);
}

// A random workload beside a model of it that is nothing but lists and counts.
class SchedulerModel {
 public:
  SchedulerModel(const Scheduler::Options& options, int total) : options_(options), free_(total) {}

  bool Add(uint64_t stream, int prompt_length, int max_frames) {
    const int room = options_.max_running - static_cast<int>(running_.size());
    if (static_cast<int>(waiting_.size()) >= room + options_.max_waiting) return false;
    waiting_.push_back({stream, prompt_length, (prompt_length + max_frames + 15) / 16});
    return true;
  }

  void Remove(uint64_t stream) {
    const auto is_it = [&](const Entry& entry) { return entry.stream == stream; };
    for (const Entry& entry : running_) free_ += is_it(entry) ? entry.blocks : 0;
    std::erase_if(running_, is_it);
    std::erase_if(waiting_, is_it);
  }

  std::vector<Piece> Next() {
    while (!waiting_.empty() && static_cast<int>(running_.size()) < options_.max_running &&
           waiting_.front().blocks <= free_) {
      free_ -= waiting_.front().blocks;
      running_.push_back(waiting_.front());
      waiting_.pop_front();
    }
    std::vector<Piece> decodes, prompts;
    int budget = options_.prefill_tokens;
    for (Entry& entry : running_) {
      if (entry.left == 1) {
        decodes.push_back({entry.stream, 1});
        continue;
      }
      const int positions = std::min(entry.left, budget);
      budget -= positions;
      entry.left = std::max(entry.left - positions, 1);  // a drawn frame is the next position
      if (positions > 0) prompts.push_back({entry.stream, positions});
    }
    decodes.insert(decodes.end(), prompts.begin(), prompts.end());
    return decodes;
  }

  int running() const { return static_cast<int>(running_.size()); }
  int free() const { return free_; }

 private:
  struct Entry {
    uint64_t stream;
    int left;
    int blocks;
  };
  const Scheduler::Options options_;
  int free_;
  std::deque<Entry> waiting_;
  std::vector<Entry> running_;
};

TEST(SchedulerTest, AgreesWithAPlainModel) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const Scheduler::Options options = {.max_running = static_cast<int>(1 + random() % 6),
                                        .max_waiting = static_cast<int>(random() % 5),
                                        .prefill_tokens = static_cast<int>(1 + random() % 40)};
    const int total = static_cast<int>(6 + random() % 20);
    BlockPool blocks(total);
    Scheduler scheduler(options, &blocks);
    SchedulerModel model(options, total);
    uint64_t next_stream = 1;
    for (int step = 0; step < 600; ++step) {
      const uint32_t action = random() % 8;
      if (action < 2) {
        const int prompt = static_cast<int>(1 + random() % 60);
        const int frames = static_cast<int>(1 + random() % 36);  // 6 blocks at most
        ASSERT_EQ(scheduler.Add(MakeSequence(next_stream, prompt, frames)).ok(),
                  model.Add(next_stream, prompt, frames));
        ++next_stream;
      } else if (action == 2) {
        const std::vector<Sequence*> all = scheduler.sequences();
        if (all.empty()) continue;
        const Sequence* which = all[random() % all.size()];
        model.Remove(which->stream().low);
        EXPECT_EQ(scheduler.Remove(which).get(), which);
      } else {
        const std::vector<ScheduledChunk> work = scheduler.Next(NotHeld);
        ASSERT_EQ(Pieces(work), model.Next());
        RunWork(work);
        std::set<int32_t> seen;  // no block in two tables
        for (const Sequence* sequence : scheduler.sequences()) {
          if (!sequence->has_blocks()) continue;
          for (const int32_t block : sequence->Chunk(1).block_table) {
            ASSERT_TRUE(seen.insert(block).second);
          }
        }
        // What the test cannot grow any further ends.
        for (Sequence* sequence : scheduler.sequences()) {
          if (!sequence->at_frame_limit()) continue;
          model.Remove(sequence->stream().low);
          scheduler.Remove(sequence);
        }
      }
      ASSERT_EQ(scheduler.running(), model.running());
      ASSERT_EQ(blocks.free(), model.free());
    }
  }
}

// Whatever is accepted runs to its end, however tight the blocks are.
TEST(SchedulerTest, EverybodyGetsATurn) {
  std::mt19937 random(4);
  BlockPool blocks(6);
  Scheduler scheduler({.max_running = 4, .max_waiting = 100, .prefill_tokens = 7}, &blocks);
  for (uint64_t stream = 1; stream <= 60; ++stream) {
    ASSERT_TRUE(scheduler
                    .Add(MakeSequence(stream, static_cast<int>(1 + random() % 60),
                                      static_cast<int>(1 + random() % 36)))
                    .ok());
  }
  std::vector<uint64_t> ended;
  for (int step = 0; step < 10000 && ended.size() < 60; ++step) {
    ASSERT_FALSE(NextStep(scheduler).empty());
    for (Sequence* sequence : scheduler.sequences()) {
      if (!sequence->at_frame_limit()) continue;
      ended.push_back(sequence->stream().low);
      scheduler.Remove(sequence);
    }
  }
  EXPECT_EQ(ended.size(), 60u);
  EXPECT_EQ(blocks.free(), 6);
}

}  // namespace
}  // namespace shoal::engine
