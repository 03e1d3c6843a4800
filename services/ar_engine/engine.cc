#include "services/ar_engine/engine.h"

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
      blocks_(model->num_blocks()),
      scheduler_(options.scheduler, &blocks_) {}

absl::Status Engine::Submit(Request request) {
  auto sequence = std::make_unique<Sequence>(std::move(request), model_->num_codebooks(),
                                             options_.semantic_start);
  if (sequence->max_length() > model_->max_seq_len()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a prompt of ", sequence->prompt_length(), " positions and max_frames ",
                     sequence->max_length() - sequence->prompt_length(),
                     " exceed the model's max_seq_len ", model_->max_seq_len()));
  }
  if (sequence->blocks_needed() > blocks_.total()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a prompt of ", sequence->prompt_length(), " positions and max_frames ",
        sequence->max_length() - sequence->prompt_length(), " need ", sequence->blocks_needed(),
        " KV blocks, more than the engine's ", blocks_.total(), " (--kv-blocks)"));
  }
  return scheduler_.Add(std::move(sequence));
}

Engine::StepReport Engine::Step() {
  const Clock::time_point begin = Clock::now();
  const std::vector<ScheduledChunk> work =
      options_.hold == nullptr ? scheduler_.Next(NeverHeld) : scheduler_.Next(options_.hold);
  StepReport report;
  if (work.empty()) return report;
  Start(work);
  const Clock::time_point scheduled = Clock::now();
  const absl::StatusOr<std::vector<DrawnFrame>> drawn = Run(work);
  const Clock::time_point ran = Clock::now();
  report.frames = Emit(work, drawn);
  report.rows = static_cast<int>(work.size());
  for (const ScheduledChunk& chunk : work) report.positions += chunk.positions;
  report.schedule = scheduled - begin;
  report.run = ran - scheduled;
  report.emit = Clock::now() - ran;
  return report;
}

void Engine::Start(absl::Span<const ScheduledChunk> work) {
  for (const ScheduledChunk& chunk : work) {
    Sequence& sequence = *chunk.sequence;
    if (sequence.has_started) continue;
    sequence.has_started = true;
    sequence.started = Clock::now();
    sink_->OnStarted(sequence);
  }
}

absl::StatusOr<std::vector<DrawnFrame>> Engine::Run(absl::Span<const ScheduledChunk> work) {
  std::vector<SequenceChunk> chunks;
  chunks.reserve(work.size());
  for (const ScheduledChunk& chunk : work) chunks.push_back(chunk.sequence->Chunk(chunk.positions));
  absl::StatusOr<std::vector<DrawnFrame>> drawn = model_->Step(chunks);
  if (drawn.ok() && drawn->size() != work.size()) {
    return absl::InternalError(absl::StrCat("the model returned ", drawn->size(), " results for ",
                                            work.size(), " sequences"));
  }
  return drawn;
}

int Engine::Emit(absl::Span<const ScheduledChunk> work,
                 const absl::StatusOr<std::vector<DrawnFrame>>& drawn) {
  int frames = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    Sequence& sequence = *work[i].sequence;
    if (!drawn.ok()) {
      Remove(&sequence, {.failure = drawn.status()});
      continue;
    }
    const uint32_t frames_before = sequence.frames();
    sequence.Advance(work[i].positions);
    std::optional<End> end = EmitFrame(sequence, (*drawn)[i]);
    frames += static_cast<int>(sequence.frames() - frames_before);
    if (end.has_value()) Remove(&sequence, *end);
  }
  return frames;
}

std::optional<Engine::End> Engine::EmitFrame(Sequence& sequence, const DrawnFrame& frame) {
  if (!frame.status.ok()) return End{.failure = frame.status};
  if (!frame.drawn) {
    if (sequence.remaining() > 0) return std::nullopt;  // the prompt goes on
    return End{.failure = absl::InternalError("the model drew no frame where one was due")};
  }
  if (sequence.frames() == 0) sequence.first_frame = Clock::now();
  if (frame.end) return End{.reason = FinishReason::kStop};
  if (static_cast<int>(frame.codes.size()) != model_->num_codebooks() ||
      *std::min_element(frame.codes.begin(), frame.codes.end()) < 0) {
    return End{.failure = absl::InternalError("the model drew a frame of unusable codes")};
  }
  const uint32_t number = sequence.frames();
  sequence.Append(frame.codes);
  if (absl::Status sent = sink_->OnFrame(sequence, number, frame.codes); !sent.ok()) {
    return End{.failure = sent};
  }
  if (sequence.at_frame_limit()) return End{.reason = FinishReason::kMaxFrames};
  return std::nullopt;
}

void Engine::Remove(const Sequence* sequence, const End& end) {
  const std::unique_ptr<Sequence> removed = scheduler_.Remove(sequence);
  if (end.failure.ok()) {
    sink_->OnFinished(*removed, end.reason);
  } else {
    sink_->OnFailed(*removed, end.failure);
  }
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

const Sequence* Engine::Find(const StreamKey& stream) const {
  for (const Sequence* sequence : scheduler_.sequences()) {
    if (sequence->stream() == stream) return sequence;
  }
  return nullptr;
}

}  // namespace shoal::engine
