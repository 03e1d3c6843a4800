#include "services/ar_engine/policy/precedence.h"

#include <chrono>
#include <random>

#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

using Kind = Standing::Kind;

class PrecedenceTest : public ::testing::Test {
 protected:
  static Sequence MakeSequence(Priority priority, double buffered_seconds,
                               Sequence::TimePoint now) {
    Request request;
    request.token_ids.assign(100, 0);
    request.codes.assign(100, 0);
    request.prompt_length = 100;
    request.max_frames = 10;
    request.priority = priority;
    request.buffered_seconds = buffered_seconds;
    return Sequence(std::move(request), 1, 0, now);
  }

  const Sequence::TimePoint now_{std::chrono::hours(1)};
  const Precedence precedence_{Policy::kDeadline,
                               {.near_empty = 0.5, .plenty = 5, .margin = 1, .silence = 3}};
  StepCost cost_;
};

TEST_F(PrecedenceTest, ANewTurnIsOverdueSinceItsSubmission) {
  const Sequence sequence = MakeSequence(Priority::kPlayback, 0, now_ - std::chrono::seconds(3));
  const Standing standing = precedence_.Of(sequence, cost_, now_);
  EXPECT_NEAR(standing.urgency, -3, 1e-6);
  EXPECT_EQ(standing.left, 0);
  EXPECT_TRUE(standing.keeps_blocks);
  EXPECT_TRUE(precedence_.near_empty(standing));
}

TEST_F(PrecedenceTest, TurnsUnderWayThatAreNearEmptyRankAlikeUntilTheyAreSilentForLong) {
  const auto urgency = [&](double left) {
    const auto then = now_ - std::chrono::seconds(100);
    Sequence sequence = MakeSequence(Priority::kPlayback, 100 + left, then);
    const int32_t code = 0;
    sequence.OnLaunched(100, 0);
    sequence.OnCollected(100, true);
    sequence.Append({&code, 1}, then);
    return precedence_.Of(sequence, cost_, now_).urgency;
  };
  EXPECT_NEAR(urgency(0.7), 0.7, 1e-6);
  for (const double left : {0.4, 0.1, 0.0, -2.9}) EXPECT_EQ(urgency(left), 0.5);
  EXPECT_NEAR(urgency(-3.1), -3.1, 1e-6);
}

TEST_F(PrecedenceTest, WhoHasToBeginAgainHasToBeginEarlier) {
  for (int i = 0; i < 200; ++i) cost_.Learn(1, 1000, 10);
  const double ahead = cost_.PromptSeconds(100);
  ASSERT_GT(ahead, 0.1);
  const Sequence sequence = MakeSequence(Priority::kPlayback, 8, now_);
  const Standing standing = precedence_.Of(sequence, cost_, now_);
  EXPECT_NEAR(standing.urgency, 8 - ahead, 1e-6);
  EXPECT_NEAR(standing.left, 8, 1e-6);
  EXPECT_FALSE(standing.keeps_blocks) << "no hurry";
  const Sequence soon = MakeSequence(Priority::kPlayback, ahead / 2, now_);
  EXPECT_EQ(precedence_.Of(soon, cost_, now_).urgency, 0) << "late, but not before who is overdue";
}

TEST_F(PrecedenceTest, APausedTurnAndAWholeFileAreWhatTheyAre) {
  const Sequence whole_file = MakeSequence(Priority::kWholeFile, 0, now_);
  EXPECT_EQ(precedence_.Of(whole_file, cost_, now_).kind, Kind::kWholeFile);
  EXPECT_TRUE(precedence_.has_plenty(precedence_.Of(whole_file, cost_, now_)));
  const Precedence first_come(Policy::kFirstCome, {});
  EXPECT_EQ(first_come.Of(whole_file, cost_, now_).kind, Kind::kPlayback);
}

TEST_F(PrecedenceTest, TheMarginKeepsBlocksFromGoingBackAndForth) {
  const Standing early = {.left = 3, .arrival = 1}, late = {.left = 3.5, .arrival = 2},
                 fuller = {.left = 4.5, .arrival = 0};
  EXPECT_TRUE(precedence_.MayTakeBlocks(early, late)) << "within the margin: who came first";
  EXPECT_FALSE(precedence_.MayTakeBlocks(late, early));
  EXPECT_TRUE(precedence_.MayTakeBlocks(early, fuller)) << "beyond it: who has less";
  EXPECT_TRUE(precedence_.MayTakeBlocks(fuller, late));
}

// So that among sequences that wait for blocks somebody can go on.
TEST_F(PrecedenceTest, OfTwoExactlyOneMayTakeFromTheOther) {
  std::mt19937 random(1);
  for (int i = 0; i < 10000; ++i) {
    Standing a = {.kind = static_cast<Kind>(random() % 3),
                  .left = 0.5 * static_cast<double>(random() % 10),
                  .arrival = 2 * (random() % 5)};
    const Standing b = {.kind = static_cast<Kind>(random() % 3),
                        .left = 0.5 * static_cast<double>(random() % 10),
                        .arrival = 1 + 2 * (random() % 5)};
    EXPECT_NE(precedence_.MayTakeBlocks(a, b), precedence_.MayTakeBlocks(b, a));
    EXPECT_NE(precedence_.LosesBlocksBefore(a, b), precedence_.LosesBlocksBefore(b, a));
    EXPECT_NE(precedence_.RunsBefore(a, b), precedence_.RunsBefore(b, a));
    a.keeps_blocks = true;
    EXPECT_FALSE(precedence_.MayTakeBlocks(b, a));
  }
}

}  // namespace
}  // namespace shoal::engine
