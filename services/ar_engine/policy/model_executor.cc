#include "services/ar_engine/policy/model_executor.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::engine {

void ModelExecutor::OwnedChunk::Copy(const SequenceChunk& from) {
  chunk = from;
  token_ids.assign(from.token_ids.begin(), from.token_ids.end());
  codes.assign(from.codes.begin(), from.codes.end());
  block_table.assign(from.block_table.begin(), from.block_table.end());
  history.assign(from.history.begin(), from.history.end());
  draws = from.sampling != nullptr;
  if (draws) sampling = *from.sampling;
}

void ModelExecutor::OwnedChunk::TakeDrawn(int32_t token_id, absl::Span<const int32_t> drawn_codes) {
  token_ids.assign(1, token_id);
  codes.assign(drawn_codes.begin(), drawn_codes.end());
  history.push_back(drawn_codes[0]);
}

const SequenceChunk& ModelExecutor::OwnedChunk::View() {
  chunk.token_ids = token_ids;
  chunk.codes = codes;
  chunk.block_table = block_table;
  chunk.history = history;
  chunk.sampling = draws ? &sampling : nullptr;
  chunk.drawn_by = -1;
  return chunk;
}

ModelExecutor::ModelExecutor(StepModel* model, const Options& options)
    : semantic_start_(options.semantic_start),
      max_in_flight_(options.threaded ? kMostInFlight : options.max_in_flight),
      model_(model) {
  if (options.threaded) thread_ = std::thread([this] { RunSteps(); });
}

ModelExecutor::~ModelExecutor() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ModelExecutor::Launch(absl::Span<const SequenceChunk> chunks) {
  LaunchedStep& step = Slot(launched_);  // its last user has been collected
  if (step.chunks.size() < chunks.size()) step.chunks.resize(chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) step.chunks[i].Copy(chunks[i]);
  step.size = chunks.size();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++launched_;
  }
  changed_.notify_all();
}

absl::StatusOr<std::vector<DrawnFrame>> ModelExecutor::Collect() {
  LaunchedStep& step = Slot(collected_);
  if (!thread_.joinable()) {
    step.result = Run(step);
    ++computed_;
  } else {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return computed_ > collected_; });
  }
  ++collected_;
  return std::move(step.result);
}

void ModelExecutor::RunSteps() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || computed_ < launched_; });
    if (closed_) return;
    LaunchedStep& step = Slot(computed_);
    lock.unlock();
    step.result = Run(step);
    lock.lock();
    ++computed_;
    changed_.notify_all();
  }
}

absl::StatusOr<std::vector<DrawnFrame>> ModelExecutor::Run(LaunchedStep& step) {
  chunks_.clear();
  places_.clear();
  for (size_t i = 0; i < step.size; ++i) {
    OwnedChunk& chunk = step.chunks[i];
    if (const int by = chunk.chunk.drawn_by; by >= 0) {
      const DrawnFrame& drawn = last_drawn_[by];
      if (!HasUsableCodes(drawn, num_codebooks())) continue;
      chunk.TakeDrawn(semantic_start_ + drawn.codes[0], drawn.codes);
    }
    chunks_.push_back(chunk.View());
    places_.push_back(i);
  }
  std::vector<DrawnFrame> drawn(step.size);
  last_drawn_.assign(step.size, DrawnFrame());
  if (chunks_.empty()) return drawn;
  absl::StatusOr<std::vector<DrawnFrame>> ran = model_->Step(chunks_);
  if (!ran.ok()) return ran.status();
  if (ran->size() != chunks_.size()) {
    return absl::InternalError(absl::StrCat("the model returned ", ran->size(), " results for ",
                                            chunks_.size(), " sequences"));
  }
  for (size_t i = 0; i < places_.size(); ++i) drawn[places_[i]] = std::move((*ran)[i]);
  last_drawn_ = drawn;
  return drawn;
}

}  // namespace shoal::engine
