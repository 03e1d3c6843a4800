#include "services/ar_engine/policy/scheduler.h"

#include <chrono>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/services/ar_engine/policy/requests.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;

const HashingModel::Options kSizes;

bool NotHeld(const Sequence&) { return false; }

struct Piece {
  uint64_t stream;
  int positions;
  bool operator==(const Piece&) const = default;
  friend void PrintTo(const Piece& piece, std::ostream* out) {
    *out << piece.stream << ":" << piece.positions;
  }
};

// A scheduler with the engine's part played by the test: drawn codes are all 0, and every step that
// draws makes a second of audio.
class SchedulerTest : public ::testing::Test {
 protected:
  void Make(const Scheduler::Options& options, int blocks = 64) {
    scheduler_.reset();
    memory_ = std::make_unique<KvMemory>(blocks, kSizes.num_codebooks, /*use_cache=*/false);
    scheduler_ = std::make_unique<Scheduler>(options, memory_.get());
  }

  static Request RequestOf(uint64_t stream, int prompt_length, int max_frames) {
    Request request = RandomRequest(stream, prompt_length, max_frames, kSizes);
    request.frame_seconds = 1;
    return request;
  }
  absl::Status Add(Request request) {
    return scheduler_->Add(std::make_unique<Sequence>(std::move(request), kSizes.num_codebooks,
                                                      kSizes.semantic_start, now_),
                           now_);
  }
  void MustAdd(Request request) { ASSERT_TRUE(Add(std::move(request)).ok()); }
  void MustAdd(uint64_t stream, int prompt_length, int max_frames) {
    MustAdd(RequestOf(stream, prompt_length, max_frames));
  }

  std::vector<Piece> Plan() {
    work_.clear();
    for (const ScheduledChunk& chunk : scheduler_->Next(NotHeld, now_)) work_.push_back(chunk);
    std::vector<Piece> pieces;
    for (const ScheduledChunk& chunk : work_) {
      pieces.push_back({chunk.sequence->stream().low, chunk.positions});
    }
    return pieces;
  }
  std::vector<Piece> Step() {
    std::vector<Piece> pieces = Plan();
    const std::vector<int32_t> codes(kSizes.num_codebooks);
    for (size_t i = 0; i < work_.size(); ++i) {
      const auto& [sequence, positions] = work_[i];
      const bool draws = positions == sequence->remaining();
      sequence->OnLaunched(positions, static_cast<int>(i));
      sequence->OnCollected(positions, true);
      if (draws) sequence->Append(codes, now_);
    }
    memory_->Settle();
    return pieces;
  }
  // Ends all turns that have drawn their last frame; returns their streams.
  std::vector<uint64_t> EndTurns() {
    std::vector<uint64_t> ended;
    for (Sequence* sequence : scheduler_->sequences()) {
      if (!sequence->at_frame_limit()) continue;
      ended.push_back(sequence->stream().low);
      memory_->Retire(scheduler_->Remove(sequence, now_));
    }
    return ended;
  }
  Sequence* Find(uint64_t stream) { return scheduler_->Find({.front = 1, .low = stream}); }
  void End(uint64_t stream) { memory_->Retire(scheduler_->Remove(Find(stream), now_)); }
  void Wait(double seconds) {
    now_ += std::chrono::duration_cast<Sequence::Clock::duration>(
        std::chrono::duration<double>(seconds));
  }
  // The listener has so much, and the front takes all.
  void HasBuffered(uint64_t stream, double seconds) {
    Sequence* sequence = Find(stream);
    sequence->Update({.buffered_seconds = seconds, .next_frame = sequence->frames()}, now_);
  }

  // A step costs so much, and as much a row; no more than `rows` are learned.
  void LearnCost(int rows, double fixed_seconds, double row_seconds) {
    for (int i = 0; i < 3000; ++i) {
      const int learned = 1 + i % rows;
      scheduler_->LearnStep(learned, 0, fixed_seconds + learned * row_seconds);
    }
  }
  // Streams 1 to 10 are under way, and a row costs 0.15 s.
  void MakeTenStreams(double fixed_seconds) {
    Make({.max_running = 16});
    LearnCost(16, fixed_seconds, 0.15);
    for (uint64_t stream = 1; stream <= 10; ++stream) MustAdd(stream, 1, 500);
    while (Find(10)->frames() == 0) Step();
  }

  Sequence::TimePoint now_{std::chrono::hours(1)};
  std::unique_ptr<KvMemory> memory_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<ScheduledChunk> work_;
};

TEST_F(SchedulerTest, PiecesOfPromptsShareTheBudgetAndFramesDoNotCount) {
  Make({.policy = Policy::kFirstCome, .max_running = 8, .max_waiting = 8, .prefill_tokens = 10});
  MustAdd(1, 4, 50);
  MustAdd(2, 15, 50);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 4}, Piece{2, 6}));
  MustAdd(3, 3, 50);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}, Piece{2, 9}, Piece{3, 1}));
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}, Piece{2, 1}, Piece{3, 2}));
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}, Piece{2, 1}, Piece{3, 1}));
}

TEST_F(SchedulerTest, BlocksAreTakenAsPositionsNeedThem) {
  Make({.max_running = 8}, 8);
  MustAdd(1, 16, 100);
  Step();
  EXPECT_EQ(memory_->blocks().used(), 1);
  Step();
  EXPECT_EQ(memory_->blocks().used(), 2);
  for (int i = 0; i < 15; ++i) Step();
  EXPECT_EQ(memory_->blocks().used(), 2);
  Step();
  EXPECT_EQ(memory_->blocks().used(), 3);
}

TEST_F(SchedulerTest, NobodyBeginsPastOneWhoseBlocksAreNotFree) {
  Make({.max_running = 8, .max_waiting = 8, .prefill_tokens = 1000}, 4);
  MustAdd(1, 33, 15);  // 3 blocks
  MustAdd(2, 17, 4);   // 2
  MustAdd(3, 8, 4);    // 1
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 33}));
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}));
  End(1);
  EXPECT_THAT(Step(), ElementsAre(Piece{2, 17}, Piece{3, 8}));
}

TEST_F(SchedulerTest, AFullQueueRefusesNamingItsLimitsAndSayingWhenToRetry) {
  Make({.max_running = 1, .max_waiting = 1, .prefill_tokens = 10});
  MustAdd(1, 4, 4);
  MustAdd(2, 4, 4);
  absl::Status refused = Add(RequestOf(3, 4, 4));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max-waiting 1"));
  EXPECT_GT(RetryAfterSeconds(refused), 0);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 4}));
  Wait(10);
  refused = Add(RequestOf(3, 4, 4));
  EXPECT_NEAR(RetryAfterSeconds(refused), 10, 1) << "what runs has run for 10 s";
  End(1);
  EXPECT_TRUE(Add(RequestOf(3, 4, 4)).ok());
}

TEST_F(SchedulerTest, WholeFilesFillHalfOfTheQueueOnly) {
  Make({.max_running = 2, .max_waiting = 5});
  const auto add_whole_file = [&](uint64_t stream) {
    Request request = RequestOf(stream, 4, 4);
    request.priority = Priority::kWholeFile;
    return Add(request).ok();
  };
  for (uint64_t stream = 1; stream <= 5; ++stream) EXPECT_TRUE(add_whole_file(stream));
  EXPECT_FALSE(add_whole_file(6));
  EXPECT_TRUE(Add(RequestOf(7, 4, 4)).ok());
  EXPECT_TRUE(Add(RequestOf(8, 4, 4)).ok());
  EXPECT_FALSE(Add(RequestOf(9, 4, 4)).ok());
}

TEST_F(SchedulerTest, ARequestThatWouldWaitTooLongIsRefusedAtOnce) {
  Make({.max_running = 2, .max_waiting = 100});
  for (uint64_t stream = 1; stream <= 2; ++stream) {  // turns last 8 s
    MustAdd(stream, 4, 4);
    Step();
    Wait(8);
    End(stream);
  }
  Request request = RequestOf(10, 4, 4);
  request.wait_limit = 0.5;
  MustAdd(request);
  MustAdd(11, 4, 4);
  Step();
  request = RequestOf(12, 4, 4);
  request.wait_limit = 3.9;  // two slots, turns of 8 s: one is free every 4 s
  const absl::Status refused = Add(request);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("first frame"));
  EXPECT_GT(RetryAfterSeconds(refused), 0);
  request.wait_limit = 4.2;
  EXPECT_TRUE(Add(request).ok());
  request = RequestOf(13, 4, 4);
  request.wait_limit = 4.2;
  EXPECT_FALSE(Add(request).ok()) << "one more waits before it";
}

TEST_F(SchedulerTest, AHeldSequenceSitsOutAndTheOthersGoOn) {
  Make({.max_running = 8, .max_waiting = 8, .prefill_tokens = 10});
  MustAdd(1, 4, 50);
  MustAdd(2, 4, 50);
  const auto first_held = [](const Sequence& sequence) { return sequence.stream().low == 1; };
  const auto work = scheduler_->Next(first_held, now_);
  ASSERT_THAT(work, SizeIs(1));
  EXPECT_EQ(work[0].sequence->stream().low, 2u);
  EXPECT_THAT(scheduler_->Next([](const Sequence&) { return true; }, now_), IsEmpty());
  EXPECT_EQ(scheduler_->running(), 2);
}

TEST_F(SchedulerTest, TheEmptiestListenersGetTheRows) {
  Make({.max_running = 2, .max_streams = 4});
  for (uint64_t stream = 1; stream <= 4; ++stream) MustAdd(stream, 4, 50);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 4}, Piece{2, 4}));
  EXPECT_THAT(Step(), ElementsAre(Piece{3, 4}, Piece{4, 4}));
  HasBuffered(1, 1.3);
  HasBuffered(2, 0.9);
  HasBuffered(3, 1.8);
  HasBuffered(4, 1.1);
  EXPECT_THAT(Step(), ElementsAre(Piece{2, 1}, Piece{4, 1}));
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}, Piece{3, 1}));
}

TEST_F(SchedulerTest, WhoHasSecondsSitsOutWhileATurnBegins) {
  Make({.max_running = 8});
  for (uint64_t stream = 1; stream <= 2; ++stream) MustAdd(stream, 4, 50);
  Step();
  HasBuffered(1, 1.5);
  HasBuffered(2, 30);
  MustAdd(3, 4, 50);
  EXPECT_THAT(Step(), ElementsAre(Piece{3, 4}, Piece{1, 1}));  // 3 has 1 s then
  EXPECT_THAT(Step(), ElementsAre(Piece{3, 1}, Piece{1, 1}, Piece{2, 1}));
}

TEST_F(SchedulerTest, WhoHasSecondsComesAlongWhereThatCostsLittle) {
  for (const double row_seconds : {0.00001, 0.01}) {
    Make({.max_running = 8});
    LearnCost(8, 0.01, row_seconds);
    for (uint64_t stream = 1; stream <= 3; ++stream) MustAdd(stream, 4, 50);
    Step();
    for (uint64_t stream = 1; stream <= 3; ++stream) HasBuffered(stream, 30);
    MustAdd(4, 1, 50);
    EXPECT_THAT(Step(), SizeIs(row_seconds < 0.001 ? 4 : 1));
  }
}

// Ten rows would take longer than the second that a frame plays.
TEST_F(SchedulerTest, AStepIsNoLongerThanItsFramesPlayUnlessItsFixedPartIsLarge) {
  for (const double fixed_seconds : {0.01, 0.5}) {
    MakeTenStreams(fixed_seconds);
    for (uint64_t stream = 1; stream <= 10; ++stream) HasBuffered(stream, 5 - 0.1 * stream);
    if (fixed_seconds < 0.1) {
      // (1 - 0.01) / 0.15, the emptiest first.
      EXPECT_THAT(Step(), ElementsAre(Piece{10, 1}, Piece{9, 1}, Piece{8, 1}, Piece{7, 1},
                                      Piece{6, 1}, Piece{5, 1}));
    } else {
      EXPECT_THAT(Step(), SizeIs(10));  // 0.5 are a fifth of a step of 13 rows
    }
  }
}

TEST_F(SchedulerTest, WhereNotAllNearEmptyCanBeServedTheEldestTurnsAre) {
  MakeTenStreams(0.01);
  for (uint64_t stream = 1; stream <= 10; ++stream) HasBuffered(stream, 0.01 * (10 - stream));
  // (1.4 - 0.01) / 0.15
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}, Piece{2, 1}, Piece{3, 1}, Piece{4, 1}, Piece{5, 1},
                                  Piece{6, 1}, Piece{7, 1}, Piece{8, 1}, Piece{9, 1}));
}

TEST_F(SchedulerTest, OnlyWhoIsNearEmptyMakesAStepLongerThanItsFramesPlay) {
  MakeTenStreams(0.01);
  for (uint64_t stream = 1; stream <= 10; ++stream) HasBuffered(stream, stream < 4 ? 1 : 0);
  EXPECT_THAT(Step(), ElementsAre(Piece{4, 1}, Piece{5, 1}, Piece{6, 1}, Piece{7, 1}, Piece{8, 1},
                                  Piece{9, 1}, Piece{10, 1}));
}

TEST_F(SchedulerTest, ANewTurnGoesBeforeThoseNearEmptyAndLongSilenceBeforeAll) {
  MakeTenStreams(0.01);
  for (uint64_t stream = 1; stream <= 10; ++stream) HasBuffered(stream, 0);
  Wait(4);
  MustAdd(11, 1, 50);
  EXPECT_EQ(Step().front(), (Piece{11, 1}));
  for (uint64_t stream = 1; stream <= 8; ++stream) HasBuffered(stream, 0);
  Wait(2);
  MustAdd(12, 1, 50);
  std::vector<Piece> pieces = Step();
  pieces.resize(3);
  EXPECT_THAT(pieces, ElementsAre(Piece{9, 1}, Piece{10, 1}, Piece{12, 1}));
}

// The model cannot keep pace with its listeners by far, and all of them go on.
TEST_F(SchedulerTest, SilenceEndsThoughAllAreNearEmpty) {
  MakeTenStreams(0.01);
  constexpr double kStepSeconds = 2.5;
  std::vector<double> silent(11, 0);
  for (int step = 0; step < 100; ++step) {
    for (uint64_t stream = 1; stream <= 10; ++stream) silent[stream] += kStepSeconds;
    for (const Piece& piece : Step()) silent[piece.stream] = 0;
    Wait(kStepSeconds);
    for (const double seconds : silent) {
      ASSERT_LE(seconds, 5 + 1 + 2 * kStepSeconds) << "after step " << step;
    }
  }
}

TEST_F(SchedulerTest, ALaterTurnIsAdmittedBeforeNewcomers) {
  Make({.max_running = 1, .max_waiting = 8});
  MustAdd(1, 4, 50);
  Step();
  MustAdd(2, 4, 50);
  Request later = RequestOf(3, 4, 50);
  later.turn = 1;
  MustAdd(later);
  End(1);
  EXPECT_THAT(Step(), ElementsAre(Piece{3, 4}));
}

TEST_F(SchedulerTest, ANewStreamGoesBeforeThoseThatHaveAudio) {
  Make({.max_running = 2, .max_streams = 8, .prefill_tokens = 100});
  MustAdd(1, 4, 50);
  MustAdd(2, 4, 50);
  Step();
  Wait(0.5);
  MustAdd(3, 30, 50);
  MustAdd(4, 30, 50);
  EXPECT_THAT(Step(), ElementsAre(Piece{3, 30}, Piece{4, 30}));
}

// A step's cost is known: 10 ms, and 1 ms a prompt position.
TEST_F(SchedulerTest, PromptsTakeWhatTheEmptiestListenerCanWait) {
  Make({.max_running = 8, .prefill_tokens = 512});
  for (int i = 0; i < 300; ++i) {
    scheduler_->LearnStep(1, 0, 0.01);
    scheduler_->LearnStep(1, 200, 0.21);
  }
  MustAdd(1, 4, 500);
  Step();
  MustAdd(2, 1000, 5);
  HasBuffered(1, 0.4);  // half of it is for this step
  std::vector<Piece> pieces = Step();
  ASSERT_THAT(pieces, SizeIs(2));
  EXPECT_EQ(pieces[0].stream, 2u);
  EXPECT_NEAR(pieces[0].positions, 190, 20);
  HasBuffered(1, 0);  // behind: prompts take as long as frames do, and never less than a block
  pieces = Step();
  ASSERT_THAT(pieces, SizeIs(2));
  EXPECT_EQ(pieces[0].positions + pieces[1].positions, 16 + 1);
  HasBuffered(1, 100);
  EXPECT_THAT(Step(), ElementsAre(Piece{2, 512}, Piece{1, 1}));
}

TEST_F(SchedulerTest, PausedSequencesHoldNoPlace) {
  Make({.max_running = 1, .max_waiting = 2});
  Request request = RequestOf(1, 4, 50);
  request.credit_frames = 2;
  MustAdd(request);
  MustAdd(2, 4, 3);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 4}));
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1}));
  EXPECT_TRUE(Find(1)->paused());
  EXPECT_THAT(Step(), ElementsAre(Piece{2, 4}));
  Find(1)->Update({.credit_frames = 3, .next_frame = 2}, now_);
  EXPECT_THAT(Step(), ElementsAre(Piece{1, 1})) << "its listener has nothing left";
  EXPECT_TRUE(Find(1)->paused());
  EXPECT_THAT(Step(), ElementsAre(Piece{2, 1}));
}

// Four sequences of one block each, and no more blocks.
class TakingBlocksTest : public SchedulerTest {
 protected:
  void SetUp() override {
    Make({.max_running = 8, .prefill_tokens = 1000}, 4);
    Request paused = RequestOf(1, 8, 40);
    paused.credit_frames = 1;
    MustAdd(paused);
    Request whole_file = RequestOf(2, 8, 40);
    whole_file.priority = Priority::kWholeFile;
    MustAdd(whole_file);
    MustAdd(3, 8, 40);
    MustAdd(4, 8, 40);
    for (int i = 0; i < 3; ++i) Step();
    HasBuffered(3, 50);
    HasBuffered(4, 20);
    EXPECT_EQ(memory_->blocks().free(), 0);
  }
  std::vector<uint64_t> WithBlocks() {
    std::vector<uint64_t> streams;
    for (const Sequence* sequence : scheduler_->sequences()) {
      if (sequence->has_blocks()) streams.push_back(sequence->stream().low);
    }
    return streams;
  }
};

TEST_F(TakingBlocksTest, FromThePausedThenFromWholeFilesThenFromWhoHasMost) {
  EXPECT_THAT(WithBlocks(), UnorderedElementsAre(1, 2, 3, 4));
  const std::vector<std::vector<uint64_t>> owners = {
      {2, 3, 4, 5}, {3, 4, 5, 6}, {4, 5, 6, 7}, {5, 6, 7, 8}};
  for (uint64_t stream = 5; stream <= 8; ++stream) {
    MustAdd(stream, 8, 40);
    Plan();
    EXPECT_THAT(WithBlocks(), UnorderedElementsAreArray(owners[stream - 5]));
  }
  MustAdd(9, 8, 40);
  Plan();
  EXPECT_THAT(WithBlocks(), UnorderedElementsAre(5, 6, 7, 8)) << "who came later gets nothing";
}

TEST_F(TakingBlocksTest, OnlyIfThatIsEnough) {
  MustAdd(5, 8, 40);
  MustAdd(6, 8, 40);
  Step();
  MustAdd(7, 48, 10);  // 3 blocks: 3's and 4's do not do, 5 and 6 have little
  Step();
  EXPECT_THAT(WithBlocks(), ElementsAre(3, 4, 5, 6));
}

TEST_F(TakingBlocksTest, BlocksThatAStepNamesComeWhenItIsCollected) {
  Find(1)->Update({.credit_frames = 100, .next_frame = 1}, now_);
  HasBuffered(3, 1);
  HasBuffered(4, 1);
  End(2);
  Plan();
  std::vector<ScheduledChunk> launched = work_;
  ASSERT_THAT(launched, SizeIs(3));
  for (size_t i = 0; i < launched.size(); ++i) {
    launched[i].sequence->OnLaunched(1, static_cast<int>(i));
  }
  HasBuffered(4, 50);
  HasBuffered(3, 50);
  HasBuffered(1, 50);
  MustAdd(5, 32, 40);  // one block is free, one is 3's, 4's or 1's
  for (const Piece& piece : Plan()) EXPECT_NE(piece.stream, 5u);
  EXPECT_EQ(memory_->arriving(), 1);
  EXPECT_TRUE(Find(4)->gives_up_blocks);
  for (const ScheduledChunk& chunk : launched) chunk.sequence->OnCollected(1, true);
  memory_->Settle();
  EXPECT_FALSE(Find(4)->has_blocks());
  EXPECT_EQ(Plan().front(), (Piece{5, 32}));
}

TEST_F(SchedulerTest, AWholeFileComesToItsTurnThoughPlaybackNeverRests) {
  Make({.max_running = 1, .max_streams = 8});
  MustAdd(1, 4, 1000000);
  Request whole_file = RequestOf(2, 40, 3);
  whole_file.priority = Priority::kWholeFile;
  MustAdd(whole_file);
  std::vector<uint64_t> ended;
  for (int step = 0; step < 200 && ended.empty(); ++step) {
    Step();
    Wait(1);  // as long as a frame lasts
    ended = EndTurns();
  }
  EXPECT_THAT(ended, ElementsAre(2));
}

TEST_F(SchedulerTest, AWholeFileIsAdmittedThoughPlaybackAlwaysWaits) {
  Make({.max_running = 1, .max_waiting = 100});
  MustAdd(1, 4, 2);
  Request whole_file = RequestOf(2, 4, 2);
  whole_file.priority = Priority::kWholeFile;
  MustAdd(whole_file);
  int before = 0;
  for (uint64_t stream = 3; Find(2) != nullptr; ++stream) {
    ASSERT_LT(stream, 400u);
    MustAdd(stream, 4, 2);
    Step();
    for (const uint64_t ended : EndTurns()) before += ended != 2;
    Wait(0.1);
  }
  EXPECT_GE(before, AdmissionQueue::kWholeFileShare - 1) << "playback goes first";
}

// Blocks are short, and somebody new comes all the time.
TEST_F(SchedulerTest, NewcomersStarveNobody) {
  for (const Policy policy : {Policy::kDeadline, Policy::kFirstCome}) {
    for (const Priority priority : {Priority::kPlayback, Priority::kWholeFile}) {
      std::mt19937 random(5);
      Make({.policy = policy, .max_running = 3, .max_streams = 4, .max_waiting = 3}, 7);
      Request request = RequestOf(1, 40, 60);  // all blocks in the end
      request.frame_seconds = 0.05;
      request.priority = priority;
      MustAdd(request);
      for (uint64_t stream = 2; Find(1) != nullptr; ++stream) {
        ASSERT_LT(stream, 20000u);
        Request newcomer = RequestOf(stream, static_cast<int>(1 + random() % 60),
                                     static_cast<int>(1 + random() % 30));
        newcomer.frame_seconds = 0.05;
        Add(newcomer).IgnoreError();
        Step();
        EndTurns();
        Wait(0.04);
      }
    }
  }
}

// Whatever is accepted runs to its end, however tight the blocks are.
TEST_F(SchedulerTest, EverybodyGetsATurn) {
  for (const Policy policy : {Policy::kDeadline, Policy::kFirstCome}) {
    std::mt19937 random(4);
    Make({.policy = policy, .max_running = 4, .max_waiting = 200, .prefill_tokens = 7}, 6);
    for (uint64_t stream = 1; stream <= 60; ++stream) {
      Request request = RequestOf(stream, static_cast<int>(1 + random() % 60),
                                  static_cast<int>(1 + random() % 36));
      if (random() % 4 == 0) request.priority = Priority::kWholeFile;
      MustAdd(request);
    }
    size_t ended = 0;
    for (int step = 0; step < 20000 && ended < 60; ++step) {
      ASSERT_THAT(Step(), ::testing::Not(IsEmpty()));
      ended += EndTurns().size();
      if (random() % 2 == 0) Wait(0.3);
    }
    EXPECT_EQ(ended, 60u);
    EXPECT_EQ(memory_->blocks().free(), 6);
  }
}

}  // namespace
}  // namespace shoal::engine
