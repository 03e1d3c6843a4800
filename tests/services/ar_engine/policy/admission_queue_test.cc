#include "services/ar_engine/policy/admission_queue.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace shoal::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Line = AdmissionQueue::Line;

std::unique_ptr<Sequence> MakeSequence(uint64_t stream, Priority priority, int length = 1,
                                       uint32_t turn = 0) {
  Request request;
  request.stream.low = stream;
  request.token_ids.assign(length, 0);
  request.codes.assign(length, 0);
  request.prompt_length = length;
  request.max_frames = 1;
  request.priority = priority;
  request.turn = turn;
  return std::make_unique<Sequence>(std::move(request), 1, 0, Sequence::TimePoint());
}

uint64_t PopOne(AdmissionQueue& queue, bool playback = true, bool whole_files = true) {
  const std::unique_ptr<Sequence> sequence = queue.Pop(playback, whole_files);
  return sequence == nullptr ? 0 : sequence->stream().low;
}

TEST(AdmissionQueueTest, PlaybackGoesBeforeWholeFilesWhichGetAShare) {
  AdmissionQueue queue;
  queue.Push(MakeSequence(100, Priority::kWholeFile));
  queue.Push(MakeSequence(101, Priority::kWholeFile));
  for (uint64_t stream = 1; stream <= 20; ++stream) {
    queue.Push(MakeSequence(stream, Priority::kPlayback));
  }
  std::vector<uint64_t> order;
  while (queue.size() > 0) order.push_back(PopOne(queue));
  EXPECT_THAT(order, ElementsAre(1, 2, 3, 4, 5, 6, 7, 100, 8, 9, 10, 11, 12, 13, 14, 101, 15, 16,
                                 17, 18, 19, 20));
  EXPECT_EQ(PopOne(queue), 0u);
}

TEST(AdmissionQueueTest, WhoHearsSomethingGoesBeforeNewcomersWhoGetAShare) {
  AdmissionQueue queue;
  for (uint64_t stream = 1; stream <= 3; ++stream) {
    queue.Push(MakeSequence(stream, Priority::kPlayback));
  }
  for (uint64_t stream = 11; stream <= 18; ++stream) {
    queue.Push(MakeSequence(stream, Priority::kPlayback, 1, /*turn=*/2));
  }
  std::vector<uint64_t> order;
  while (queue.size() > 0) order.push_back(PopOne(queue));
  EXPECT_THAT(order, ElementsAre(11, 12, 13, 1, 14, 15, 16, 2, 17, 18, 3));
}

TEST(AdmissionQueueTest, AnAttemptThatGoesOnIsNoNewcomer) {
  const AdmissionQueue queue;
  Request request;
  request.token_ids = {1, 2};
  request.codes = {0, 0};
  request.prompt_length = 2;
  request.max_frames = 5;
  EXPECT_EQ(queue.LineOf(Sequence(request, 1, 0, {})), Line::kNewcomer);
  request.attempt = 1;
  request.prompt_length = 1;
  EXPECT_EQ(queue.LineOf(Sequence(request, 1, 0, {})), Line::kContinuing);
  request.priority = Priority::kWholeFile;
  EXPECT_EQ(queue.LineOf(Sequence(request, 1, 0, {})), Line::kWholeFile);
}

TEST(AdmissionQueueTest, InOrderOfArrivalNobodyWhoListensOvertakes) {
  AdmissionQueue queue(/*continuing_first=*/false);
  for (uint64_t stream = 1; stream <= 9; ++stream) {
    queue.Push(MakeSequence(stream, Priority::kPlayback, 1, /*turn=*/stream % 2));
  }
  for (uint64_t stream = 1; stream <= 9; ++stream) EXPECT_EQ(PopOne(queue), stream);
}

// However many of the others come all the time.
TEST(AdmissionQueueTest, EveryLineComesToItsTurn) {
  for (const Line line : {Line::kContinuing, Line::kNewcomer, Line::kWholeFile}) {
    AdmissionQueue queue;
    const auto push = [&](Line to, uint64_t stream) {
      queue.Push(MakeSequence(stream,
                              to == Line::kWholeFile ? Priority::kWholeFile : Priority::kPlayback,
                              1, to == Line::kContinuing));
    };
    push(line, 1);
    int before = 0;
    for (uint64_t popped = 0; popped != 1; ++before) {
      ASSERT_LT(before, AdmissionQueue::kNewcomerShare + AdmissionQueue::kWholeFileShare);
      for (const Line other : {Line::kContinuing, Line::kNewcomer, Line::kWholeFile}) {
        if (other != line) push(other, 2);
      }
      popped = PopOne(queue);
    }
  }
}

TEST(AdmissionQueueTest, OneKindAloneMayBeAskedFor) {
  AdmissionQueue queue;
  queue.Push(MakeSequence(1, Priority::kPlayback));
  queue.Push(MakeSequence(2, Priority::kWholeFile));
  EXPECT_EQ(PopOne(queue, false, false), 0u);
  EXPECT_EQ(PopOne(queue, false, true), 2u);
  EXPECT_EQ(PopOne(queue, false, true), 0u);
  EXPECT_EQ(PopOne(queue, true, false), 1u);
}

TEST(AdmissionQueueTest, WhoGoesAwayIsTakenOut) {
  AdmissionQueue queue;
  for (uint64_t stream = 1; stream <= 3; ++stream) {
    queue.Push(MakeSequence(stream, Priority::kPlayback));
  }
  std::vector<Sequence*> sequences;
  queue.List(sequences);
  EXPECT_EQ(queue.Remove(sequences[1])->stream().low, 2u);
  EXPECT_EQ(queue.Remove(sequences[1]), nullptr);
  EXPECT_EQ(PopOne(queue), 1u);
  EXPECT_EQ(PopOne(queue), 3u);
}

TEST(AdmissionQueueTest, TheWaitFollowsWhatRunsAndWhatWaits) {
  AdmissionQueue queue;
  EXPECT_EQ(queue.ExpectedWait(Line::kNewcomer, 4, 3, 100), 0) << "there is a place";
  EXPECT_EQ(queue.ExpectedWait(Line::kNewcomer, 4, 4, 0), 0) << "nothing is known";
  EXPECT_EQ(queue.ExpectedWait(Line::kNewcomer, 4, 4, 8), 2) << "as long as these at least";
  queue.LearnTurn(12);
  EXPECT_EQ(queue.ExpectedWait(Line::kNewcomer, 4, 4, 8), 3);
  queue.Push(MakeSequence(1, Priority::kPlayback, 30));
  queue.Push(MakeSequence(2, Priority::kWholeFile, 500));
  EXPECT_EQ(queue.ExpectedWait(Line::kNewcomer, 4, 4, 8), 6);
  EXPECT_EQ(queue.ExpectedWait(Line::kWholeFile, 4, 4, 8), 9);
  EXPECT_EQ(queue.ExpectedWait(Line::kContinuing, 4, 4, 8), 3) << "newcomers wait behind it";
  EXPECT_EQ(queue.PositionsAhead(Line::kContinuing), 0);
  EXPECT_EQ(queue.PositionsAhead(Line::kNewcomer), 30);
  EXPECT_EQ(queue.PositionsAhead(Line::kWholeFile), 530);
  for (int i = 0; i < 100; ++i) queue.LearnTurn(4);
  EXPECT_NEAR(queue.ExpectedWait(Line::kNewcomer, 4, 4, 0), 2, 0.01);
}

TEST(AdmissionQueueTest, ABusyErrorSaysWhenToRetry) {
  const absl::Status busy = BusyError("full", 2.5);
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(busy.message()), HasSubstr("full"));
  EXPECT_EQ(RetryAfterSeconds(busy), 2.5);
  EXPECT_GT(RetryAfterSeconds(BusyError("full", 0)), 0);
  EXPECT_EQ(RetryAfterSeconds(absl::ResourceExhaustedError("of another kind")), 0);
  EXPECT_EQ(RetryAfterSeconds(absl::OkStatus()), 0);
}

}  // namespace
}  // namespace shoal::engine
