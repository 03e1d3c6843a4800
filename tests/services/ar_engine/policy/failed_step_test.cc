// A step that fails has written nothing, or who knows what: what it should have written is not
// remembered for others, whichever step of a turn it was and whatever was in flight behind it.
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/ar_engine/policy/engine.h"
#include "services/ar_engine/policy/model_executor.h"
#include "tests/services/ar_engine/policy/hashing_model.h"
#include "tests/services/ar_engine/policy/recording_sink.h"
#include "tests/services/ar_engine/policy/requests.h"

namespace shoal::engine {
namespace {

struct FailedStep {
  int in_flight;
  int steps_before;
};

class FailedStepTest : public ::testing::TestWithParam<FailedStep> {};

INSTANTIATE_TEST_SUITE_P(All, FailedStepTest, ::testing::ValuesIn([] {
                           std::vector<FailedStep> cases;
                           // Three steps for the prompt, and then frames that fill blocks of their
                           // own.
                           for (const int in_flight : {1, 2}) {
                             for (int steps = 0; steps < 40; steps += steps < 8 ? 1 : 8) {
                               cases.push_back({in_flight, steps});
                             }
                           }
                           return cases;
                         }()),
                         [](const auto& info) {
                           return "InFlight" + std::to_string(info.param.in_flight) + "After" +
                                  std::to_string(info.param.steps_before);
                         });

TEST_P(FailedStepTest, LeavesNothingToOthers) {
  const HashingModel::Options sizes;
  HashingModel model(sizes);
  ModelExecutor executor(
      &model, {.semantic_start = sizes.semantic_start, .max_in_flight = GetParam().in_flight});
  RecordingSink sink;
  Engine engine({.scheduler = {.prefill_tokens = 20}, .semantic_start = sizes.semantic_start},
                &executor, &sink);
  const Request first = RandomRequest(1, 60, 50, sizes);
  Request again = first;
  again.stream.low = 2;

  ASSERT_TRUE(engine.Submit(first).ok());
  for (int step = 0; step < GetParam().steps_before; ++step) engine.Step();
  model.next_step = absl::InternalError("out of memory");
  while (!engine.idle()) engine.Step();
  ASSERT_TRUE(sink.heard[1].failed.has_value());

  ASSERT_TRUE(engine.Submit(again).ok());
  while (!engine.idle()) engine.Step();
  EXPECT_EQ(sink.heard[2].frames, HashingModel::ExpectedTurn(again, sizes).frames);
}

}  // namespace
}  // namespace shoal::engine
