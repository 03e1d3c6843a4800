#include "services/ar_engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::engine {

Scheduler::Scheduler(const Options& options, BlockPool* blocks)
    : options_(options), blocks_(blocks) {}

absl::Status Scheduler::Add(std::unique_ptr<Sequence> sequence) {
  const int room = options_.max_running - running() + options_.max_waiting;
  if (waiting() >= std::max(room, 0)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the engine is full: ", running(), " requests run (--max-batch ", options_.max_running,
        ") and ", waiting(), " wait (--max-waiting ", options_.max_waiting, ")"));
  }
  waiting_.push_back(std::move(sequence));
  return absl::OkStatus();
}

void Scheduler::Admit() {
  while (!waiting_.empty() && running() < options_.max_running) {
    auto blocks = blocks_->Allocate(waiting_.front()->blocks_needed());
    if (!blocks.has_value()) return;
    waiting_.front()->AddBlocks(*std::move(blocks));
    running_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
}

std::vector<ScheduledChunk> Scheduler::Next(absl::FunctionRef<bool(const Sequence&)> held) {
  Admit();
  std::vector<ScheduledChunk> work;
  std::vector<Sequence*> prompts;
  for (const auto& sequence : running_) {
    if (sequence->remaining() == 0 || held(*sequence)) continue;
    if (sequence->remaining() == 1) {
      work.push_back({sequence.get(), 1});
    } else {
      prompts.push_back(sequence.get());
    }
  }
  int budget = options_.prefill_tokens;
  for (Sequence* sequence : prompts) {
    const int positions = std::min(sequence->remaining(), budget);
    if (positions == 0) break;
    work.push_back({sequence, positions});
    budget -= positions;
  }
  return work;
}

std::unique_ptr<Sequence> Scheduler::Remove(const Sequence* sequence) {
  const auto is_it = [&](const std::unique_ptr<Sequence>& other) {
    return other.get() == sequence;
  };
  std::unique_ptr<Sequence> removed;
  if (auto it = std::find_if(running_.begin(), running_.end(), is_it); it != running_.end()) {
    removed = std::move(*it);
    running_.erase(it);
  } else if (auto it = std::find_if(waiting_.begin(), waiting_.end(), is_it);
             it != waiting_.end()) {
    removed = std::move(*it);
    waiting_.erase(it);
  }
  return removed;
}

std::vector<Sequence*> Scheduler::sequences() const {
  std::vector<Sequence*> all;
  for (const auto& sequence : running_) all.push_back(sequence.get());
  for (const auto& sequence : waiting_) all.push_back(sequence.get());
  return all;
}

}  // namespace shoal::engine
