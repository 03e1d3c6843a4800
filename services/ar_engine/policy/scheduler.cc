#include "services/ar_engine/policy/scheduler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

// A step's least: else a prompt beside many frames would never end.
constexpr int kLeastPrompt = FrameModel::kBlockPositions;
// Of what the emptiest listener has left, a step may take so much.
constexpr double kOfSlack = 0.5;
// And though others are behind, prompts may take as long as the frames do: a new listener hears
// something soon, and the others are not slowed down more than twofold.
constexpr double kPromptsToFrames = 1;
// Those who have plenty may make a step that a new turn waits for longer by so much. Where a row
// costs little they come along nearly always, and have more left for worse times.
constexpr double kPlentyToStep = 0.25;
// A step may take as many frames' time as this for those who have audio left: were it longer, those
// who have none would fall behind, and it is better that who has most sits out.
constexpr double kFramesAtPace = 1;
// And as many as this for those who are near empty. Beyond the pace every row more slows all down,
// but rows together cost less than rows apart, so the youngest turns are left out only later.
constexpr double kMostFrames = 1.4;
// But rows are not given up so far that the fixed part of a step is more than this of it: a model
// that cannot keep pace serves most with large steps.
constexpr double kMostFixed = 0.2;

}  // namespace

Scheduler::Scheduler(const Options& options, KvMemory* memory)
    : options_(options),
      precedence_(options.policy, options.hurry),
      memory_(memory),
      queue_(/*continuing_first=*/options.policy == Policy::kDeadline) {}

int Scheduler::max_streams() const {
  return options_.max_streams > 0 ? options_.max_streams : options_.max_running;
}

absl::Status Scheduler::Add(std::unique_ptr<Sequence> sequence, TimePoint now) {
  const Request& request = sequence->request();
  const AdmissionQueue::Line line = queue_.LineOf(*sequence);
  const double wait = ExpectedWait(line, sequence->length(), now);
  // The last places are playback's: many whole files shall not keep listeners out.
  const bool plays = request.priority == Priority::kPlayback;
  const int most_waiting = plays ? options_.max_waiting : (options_.max_waiting + 1) / 2;
  const int room = max_streams() - running() + most_waiting;
  if (waiting() >= std::max(room, 0)) {
    return BusyError(
        absl::StrCat("the engine is full: ", running(), " requests run (",
                     options_.max_streams > 0 ? "--max-streams " : "--max-batch ", max_streams(),
                     ") and ", waiting(), " wait (--max-waiting ", options_.max_waiting, ")"),
        wait / (waiting() + 1));
  }
  if (request.wait_limit > 0 && wait > request.wait_limit) {
    return BusyError(absl::StrCat("the first frame would take about ", wait, " s, more than the ",
                                  request.wait_limit, " s that the request allows"),
                     wait - request.wait_limit);
  }
  sequence->arrival = ++arrivals_;
  queue_.Push(std::move(sequence));
  return absl::OkStatus();
}

double Scheduler::ExpectedWait(AdmissionQueue::Line line, int positions, TimePoint now) const {
  const Places places = TakenPlaces(now);
  const bool plays = line != AdmissionQueue::Line::kWholeFile;
  const int taken = places.playback + (plays ? 0 : places.whole_files);
  int prompts = positions + queue_.PositionsAhead(line);
  for (const auto& sequence : admitted_) {
    if (sequence->remaining() > 1) prompts += sequence->remaining();
  }
  return queue_.ExpectedWait(line, max_streams(), taken, places.age) +
         cost_.PromptSeconds(prompts) * (taken > 0 ? 1 + 1 / kPromptsToFrames : 1);
}

Scheduler::Places Scheduler::TakenPlaces(TimePoint now) const {
  Places places;
  for (const auto& sequence : admitted_) {
    if (sequence->paused()) continue;
    const bool plays = sequence->request().priority == Priority::kPlayback;
    ++(plays ? places.playback : places.whole_files);
    places.age += std::chrono::duration<double>(now - sequence->admitted).count();
  }
  places.age /= std::max(1, places.playback + places.whole_files);
  return places;
}

void Scheduler::Admit(TimePoint now) {
  if (queue_.size() == 0) return;
  Places places = TakenPlaces(now);
  while (true) {
    // Whole files take no place away from playback.
    const bool playback = places.playback < max_streams();
    const bool whole_files = places.playback + places.whole_files < max_streams();
    std::unique_ptr<Sequence> next = queue_.Pop(playback, whole_files);
    if (next == nullptr) return;
    if (!next->paused()) {
      const bool plays = next->request().priority == Priority::kPlayback;
      ++(plays ? places.playback : places.whole_files);
    }
    next->admitted = now;
    admitted_.push_back(std::move(next));
  }
}

void Scheduler::MarkEldestWholeFile() {
  Sequence* eldest = nullptr;
  for (const auto& sequence : admitted_) {
    sequence->is_eldest_whole_file = false;
    if (sequence->request().priority != Priority::kWholeFile || sequence->paused()) continue;
    if (eldest == nullptr || sequence->arrival < eldest->arrival) eldest = sequence.get();
  }
  if (eldest != nullptr) eldest->is_eldest_whole_file = true;
}

void Scheduler::Rank(absl::FunctionRef<bool(const Sequence&)> held, TimePoint now) {
  const bool whole_files_turn =
      options_.policy == Policy::kDeadline && steps_ % kWholeFileTurn == 0;
  candidates_.clear();
  for (const auto& sequence : admitted_) {
    if (sequence->remaining() == 0 || sequence->gives_up_blocks || held(*sequence)) continue;
    Candidate candidate = {sequence.get(), precedence_.Of(*sequence, cost_, now)};
    if (whole_files_turn && sequence->is_eldest_whole_file) candidate.standing.PutFirst();
    candidates_.push_back(candidate);
  }
  std::sort(candidates_.begin(), candidates_.end(), [this](const Candidate& a, const Candidate& b) {
    return precedence_.RunsBefore(a.standing, b.standing);
  });
}

int Scheduler::PromptBudget() const {
  if (options_.policy == Policy::kFirstCome) return options_.prefill_tokens;
  int frames = 0;
  double least_left = 0;
  for (const Candidate& candidate : candidates_) {
    if (candidate.sequence->remaining() > 1 || !candidate.sequence->has_blocks()) continue;
    if (frames == options_.max_running || precedence_.has_plenty(candidate.standing)) break;
    least_left = frames == 0 ? candidate.standing.left : least_left;  // the first has the least
    ++frames;
  }
  if (frames == 0) return options_.prefill_tokens;
  const double frame_seconds = cost_.Seconds(frames, 0);
  const double seconds =
      std::max(least_left * kOfSlack - frame_seconds, frame_seconds * kPromptsToFrames);
  return std::min(options_.prefill_tokens,
                  std::max(kLeastPrompt, cost_.PromptPositions(seconds, options_.prefill_tokens)));
}

int Scheduler::RowsFor(double frames) const {
  if (options_.policy == Policy::kFirstCome || candidates_.empty()) return options_.max_running;
  const double frame_seconds = candidates_.front().sequence->request().frame_seconds;
  if (frame_seconds <= 0) return options_.max_running;
  const double fixed = cost_.Seconds(0, 0);
  const double seconds = std::max(frames * frame_seconds, fixed / kMostFixed) - fixed;
  return std::max(1, cost_.Rows(seconds, options_.max_running));
}

int Scheduler::MostRows(int rows, int prompt_positions) const {
  const double seconds = cost_.Seconds(rows, prompt_positions) * kPlentyToStep;
  return rows + cost_.Rows(seconds, options_.max_running - rows);
}

absl::Span<const ScheduledChunk> Scheduler::Next(absl::FunctionRef<bool(const Sequence&)> held,
                                                 TimePoint now) {
  Admit(now);
  MarkEldestWholeFile();
  ++steps_;
  Rank(held, now);
  work_.clear();
  int budget = PromptBudget();
  const int most_near_empty = RowsFor(kMostFrames);
  int most = RowsFor(kFramesAtPace);
  bool hurry = false, begins_wait = false;
  for (const Candidate& candidate : candidates_) {
    if (hurry && precedence_.has_plenty(candidate.standing)) {
      hurry = false;  // once
      most = std::min(most,
                      MostRows(static_cast<int>(work_.size()), options_.prefill_tokens - budget));
    }
    const bool near_empty = precedence_.near_empty(candidate.standing);
    if (static_cast<int>(work_.size()) >= (near_empty ? most_near_empty : most)) break;
    Sequence& sequence = *candidate.sequence;
    if (sequence.gives_up_blocks) continue;  // one before it has taken them
    const bool begins = !sequence.has_blocks();
    const int remaining = sequence.remaining();
    const int positions = remaining > 1 ? std::min(remaining, budget) : 1;
    if (positions == 0 || (begins && begins_wait)) continue;
    if (!GetBlocks(candidate, positions, now)) {
      begins_wait = begins_wait || begins;
      continue;
    }
    const int run = begins ? std::min(sequence.remaining(), positions) : positions;  // some cached
    if (remaining > 1) budget -= run;
    sequence.step = steps_;
    hurry = hurry || candidate.standing.urgency <= 0;
    work_.push_back({&sequence, run});
  }
  return work_;
}

bool Scheduler::GetBlocks(const Candidate& candidate, int positions, TimePoint now) {
  Sequence& sequence = *candidate.sequence;
  while (true) {
    const int missing = MissingBlocks(sequence, positions);
    if (missing == 0) return true;
    if (missing <= memory_->arriving()) return false;
    if (!TakeBlocks(candidate, missing - memory_->arriving(), now)) return false;
  }
}

int Scheduler::MissingBlocks(Sequence& sequence, int positions) {
  if (sequence.has_blocks()) return memory_->Extend(sequence, positions);
  if (sequence.missing_blocks > 0 && sequence.tried_at == memory_->returns()) {
    return sequence.missing_blocks;
  }
  sequence.missing_blocks = memory_->Start(sequence);
  sequence.tried_at = memory_->returns();
  return sequence.missing_blocks;
}

bool Scheduler::TakeBlocks(const Candidate& taker, int missing, TimePoint now) {
  Candidate owner = {nullptr, {}};
  int owned = 0;
  for (const auto& sequence : admitted_) {
    if (!sequence->has_blocks() || sequence->gives_up_blocks || sequence->step == steps_ ||
        sequence.get() == taker.sequence) {
      continue;
    }
    const Candidate other = {sequence.get(), precedence_.Of(*sequence, cost_, now)};
    if (!precedence_.MayTakeBlocks(taker.standing, other.standing)) continue;
    owned += static_cast<int>(sequence->blocks().size());
    if (owner.sequence == nullptr ||
        precedence_.LosesBlocksBefore(other.standing, owner.standing)) {
      owner = other;
    }
  }
  if (owned < missing) return false;
  memory_->TakeBack(owner.sequence);
  return true;
}

std::unique_ptr<Sequence> Scheduler::Remove(const Sequence* sequence, TimePoint now) {
  const auto it = std::find_if(admitted_.begin(), admitted_.end(),
                               [&](const auto& other) { return other.get() == sequence; });
  if (it == admitted_.end()) return queue_.Remove(sequence);
  std::unique_ptr<Sequence> removed = std::move(*it);
  admitted_.erase(it);
  queue_.LearnTurn(std::chrono::duration<double>(now - removed->admitted).count());
  return removed;
}

std::vector<Sequence*> Scheduler::sequences() const {
  std::vector<Sequence*> all;
  for (const auto& sequence : admitted_) all.push_back(sequence.get());
  queue_.List(all);
  return all;
}

Sequence* Scheduler::Find(const StreamKey& stream) const {
  for (Sequence* sequence : sequences()) {
    if (sequence->stream() == stream) return sequence;
  }
  return nullptr;
}

}  // namespace shoal::engine
