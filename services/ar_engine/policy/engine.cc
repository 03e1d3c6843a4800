#include "services/ar_engine/policy/engine.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

bool NeverHeld(const Sequence&) { return false; }

}  // namespace

Engine::Engine(const Options& options, FrameModel* model, EngineSink* sink)
    : options_(options),
      model_(model),
      sink_(sink),
      memory_(model->num_blocks(), model->num_codebooks(), options.prefix_cache),
      scheduler_(options.scheduler, &memory_) {}

absl::Status Engine::Submit(Request request) {
  auto sequence = std::make_unique<Sequence>(std::move(request), model_->num_codebooks(),
                                             options_.semantic_start, options_.clock());
  if (sequence->at_frame_limit()) {
    return absl::InvalidArgumentError("max_frames: all frames of the turn are drawn already");
  }
  if (sequence->max_length() > model_->max_seq_len()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prompt of ", sequence->prompt_length(), " positions and max_frames ",
                     sequence->max_length() - sequence->prompt_length(),
                     " exceed the model's max_seq_len ", model_->max_seq_len()));
  }
  if (const int needed = BlocksFor(sequence->max_length()); needed > blocks().total()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prompt of ", sequence->prompt_length(), " positions and max_frames ",
                     sequence->max_length() - sequence->prompt_length(), " need ", needed,
                     " KV blocks, more than the engine's ", blocks().total(), " (--kv-blocks)"));
  }
  return scheduler_.Add(std::move(sequence), options_.clock());
}

Engine::StepReport Engine::Step() {
  StepReport report;
  const TimePoint begin = options_.clock();
  const absl::Span<const ScheduledChunk> work = options_.hold == nullptr
                                                    ? scheduler_.Next(NeverHeld, begin)
                                                    : scheduler_.Next(options_.hold, begin);
  report.launched = static_cast<int>(work.size());
  if (!work.empty()) Launch(work);
  const TimePoint launched = options_.clock();
  report.schedule = launched - begin;
  if (in_flight_ == 0 || (!work.empty() && in_flight_ < model_->max_in_flight())) return report;

  const LaunchedStep& step = steps_[oldest_];
  const absl::StatusOr<std::vector<DrawnFrame>> drawn = Collect();
  report.positions = Learn(step);
  report.frames = Emit(step.work, drawn);
  report.rows = static_cast<int>(step.work.size());
  report.run = collected_ - launched;
  report.emit = options_.clock() - collected_;
  return report;
}

int Engine::Learn(const LaunchedStep& step) {
  const TimePoint began = std::max(step.launched, collected_);
  collected_ = options_.clock();
  int positions = 0;
  for (const ScheduledChunk& chunk : step.work) positions += chunk.positions;
  const int rows = static_cast<int>(step.work.size());
  scheduler_.LearnStep(rows, positions - rows,
                       std::chrono::duration<double>(collected_ - began).count());
  return positions;
}

void Engine::Launch(absl::Span<const ScheduledChunk> work) {
  chunks_.clear();
  for (const ScheduledChunk& chunk : work) {
    Sequence& sequence = *chunk.sequence;
    if (!sequence.has_started) {
      sequence.has_started = true;
      sequence.started = options_.clock();
      sink_->OnStarted(sequence);
    }
    chunks_.push_back(sequence.Chunk(chunk.positions));
  }
  model_->Launch(chunks_);
  for (size_t i = 0; i < work.size(); ++i) {
    work[i].sequence->OnLaunched(work[i].positions, static_cast<int>(i));
  }
  LaunchedStep& step = steps_[(oldest_ + in_flight_) % steps_.size()];
  step.work.assign(work.begin(), work.end());
  step.launched = options_.clock();
  ++in_flight_;
}

absl::StatusOr<std::vector<DrawnFrame>> Engine::Collect() {
  const size_t rows = steps_[oldest_].work.size();
  oldest_ = (oldest_ + 1) % steps_.size();
  --in_flight_;
  absl::StatusOr<std::vector<DrawnFrame>> drawn = model_->Collect();
  if (drawn.ok() && drawn->size() != rows) {
    return absl::InternalError(
        absl::StrCat("the model returned ", drawn->size(), " results for ", rows, " sequences"));
  }
  return drawn;
}

int Engine::Emit(absl::Span<const ScheduledChunk> work,
                 const absl::StatusOr<std::vector<DrawnFrame>>& drawn) {
  int frames = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    Sequence& sequence = *work[i].sequence;
    sequence.OnCollected(work[i].positions, drawn.ok() && (*drawn)[i].status.ok());
    if (sequence.has_ended) continue;
    if (!drawn.ok()) {
      Remove(&sequence, {.failure = drawn.status()});
      continue;
    }
    if (!sequence.is_remembered && sequence.kv_length() >= sequence.prompt_length()) {
      memory_.Remember(sequence);
      sequence.is_remembered = true;
    }
    const uint32_t frames_before = sequence.frames();
    std::optional<End> end = EmitFrame(sequence, (*drawn)[i]);
    frames += static_cast<int>(sequence.frames() - frames_before);
    if (end.has_value()) Remove(&sequence, *end);
  }
  memory_.Settle();
  return frames;
}

std::optional<Engine::End> Engine::EmitFrame(Sequence& sequence, const DrawnFrame& frame) {
  if (!frame.status.ok()) return End{.failure = frame.status};
  if (!frame.drawn) {
    if (sequence.kv_length() < sequence.length()) return std::nullopt;  // the prompt goes on
    return End{.failure = absl::InternalError("the model drew no frame where one was due")};
  }
  if (sequence.first_frame == TimePoint()) sequence.first_frame = options_.clock();
  if (frame.end) return End{.reason = FinishReason::kStop};
  if (!HasUsableCodes(frame, model_->num_codebooks())) {
    return End{.failure = absl::InternalError("the model drew a frame of unusable codes")};
  }
  const uint32_t number = sequence.frames();
  sequence.Append(frame.codes, options_.clock());
  if (absl::Status sent = sink_->OnFrame(sequence, number, frame.codes); !sent.ok()) {
    return End{.failure = sent};
  }
  if (!sequence.at_frame_limit()) return std::nullopt;
  return End{.reason = sequence.ran_away() ? FinishReason::kRunaway : FinishReason::kMaxFrames};
}

void Engine::Remove(const Sequence* sequence, const End& end) {
  std::unique_ptr<Sequence> removed = scheduler_.Remove(sequence, options_.clock());
  removed->has_ended = true;
  if (end.failure.ok()) {
    sink_->OnFinished(*removed, end.reason);
  } else {
    sink_->OnFailed(*removed, end.failure);
  }
  memory_.Retire(std::move(removed));
}

int Engine::RemoveAll(absl::FunctionRef<bool(const Sequence&)> which, const End& end) {
  int removed = 0;
  for (const Sequence* sequence : scheduler_.sequences()) {
    if (!which(*sequence)) continue;
    Remove(sequence, end);
    ++removed;
  }
  return removed;
}

int Engine::Cancel(absl::FunctionRef<bool(const Sequence&)> which) {
  return RemoveAll(which, {.reason = FinishReason::kCancelled});
}

int Engine::Fail(absl::FunctionRef<bool(const Sequence&)> which, const absl::Status& why) {
  return RemoveAll(which, {.failure = why});
}

void Engine::Update(const StreamKey& stream, const ListenerNews& news) {
  if (Sequence* sequence = scheduler_.Find(stream)) sequence->Update(news, options_.clock());
}

const Sequence* Engine::Find(const StreamKey& stream) const { return scheduler_.Find(stream); }

}  // namespace shoal::engine
