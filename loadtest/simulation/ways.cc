#include "absl/strings/str_cat.h"
#include "loadtest/simulation/comparison.h"

namespace shoal::simulation {
namespace {

using engine::Scheduler;

// Nobody is refused: a client that waits counts with the time that it waits.
constexpr int kManyWaiting = 100000;

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
  Policy policy{.name = "deadline"};
  policy.scheduler.policy = Scheduler::Policy::kDeadline;
  policy.scheduler.max_running = 100000;
  policy.scheduler.max_waiting = kManyWaiting;
  policy.scheduler.prefill_tokens = 2048;
  return {.name = "deadline", .settings = {policy}};
}

Way FirstCome() {
  Way way{.name = "first_come", .settings = {}};
  for (const int max_running : {32, 64, 128, 256, 512}) {
    way.settings.push_back(FirstComePolicy(max_running, 512, 1));
  }
  for (const int prefill_tokens : {128, 2048}) {
    way.settings.push_back(FirstComePolicy(512, prefill_tokens, 1));
  }
  return way;
}

Way FixedChunks() {
  Way way{.name = "fixed_chunks", .settings = {}};
  for (const int frames : {2, 4, 8, 16, 25}) {
    way.settings.push_back(FirstComePolicy(512, 512, frames));
  }
  return way;
}

}  // namespace shoal::simulation
