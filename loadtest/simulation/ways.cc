#include "absl/strings/str_cat.h"
#include "loadtest/simulation/comparison.h"

namespace shoal::simulation {
namespace {

using engine::Scheduler;

// Nobody is refused: a client that waits counts with the time that it waits.
constexpr int kManyWaiting = 100000;
// More than the GPU can serve at the pace of speech: a step of 512 rows takes as long as a frame
// plays.
constexpr int kMostRows = 1024;

Policy FirstComePolicy(int max_running, int prefill_tokens, int chunk_frames) {
  Policy policy;
  policy.scheduler.policy = Scheduler::Policy::kFirstCome;
  policy.scheduler.max_running = max_running;
  policy.scheduler.max_waiting = kManyWaiting;
  policy.scheduler.prefill_tokens = prefill_tokens;
  policy.chunk_frames = chunk_frames;
  policy.name =
      absl::StrCat("running=", max_running, "/prefill=", prefill_tokens, "/chunk=", chunk_frames);
  return policy;
}

}  // namespace

Way Deadline() {
  Policy policy;
  policy.scheduler.policy = Scheduler::Policy::kDeadline;
  policy.scheduler.max_running = kMostRows;
  policy.scheduler.max_waiting = kManyWaiting;
  policy.scheduler.prefill_tokens = 2048;
  return {.name = "deadline", .settings = {policy}};
}

Way FirstCome() {
  Way way{.name = "first_come", .settings = {}};
  for (const int max_running : {256, 384, 512}) {
    way.settings.push_back(FirstComePolicy(max_running, 512, 1));
  }
  for (const int prefill_tokens : {256, 512, 1024, 2048}) {
    way.settings.push_back(FirstComePolicy(kMostRows, prefill_tokens, 1));
  }
  return way;
}

Way FixedChunks() {
  Way way{.name = "fixed_chunks", .settings = {}};
  for (const int frames : {2, 4, 8, 16, 25}) {
    way.settings.push_back(FirstComePolicy(kMostRows, 2048, frames));
  }
  way.settings.push_back(FirstComePolicy(kMostRows, 512, 4));
  return way;
}

}  // namespace shoal::simulation
