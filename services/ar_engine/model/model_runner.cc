#include "services/ar_engine/model/model_runner.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

static_assert(StepModel::kBlockPositions == kBlockPositions);

// logits: (rows, width)
absl::Span<const float> LogitsRow(const float* logits, int64_t row, int64_t width) {
  return {logits + row * width, static_cast<size_t>(width)};
}

DrawKey KeyOf(const SequenceChunk& chunk, uint32_t codebook) {
  return DrawKey{chunk.sampling->seed, chunk.turn, chunk.frame, codebook};
}

absl::Status NotFinite(int64_t codebook) {
  return absl::InternalError(absl::StrCat("the logits of codebook ", codebook, " are not finite"));
}

}  // namespace

ModelRunner::ModelRunner(const checkpoint::ModelConfig& config, SlowAr slow, FastAr fast,
                         int64_t num_blocks)
    : config_(config),
      slow_(std::move(slow)),
      fast_(std::move(fast)),
      cache_(config.text, num_blocks),
      frames_(config) {}

absl::StatusOr<std::unique_ptr<ModelRunner>> ModelRunner::Load(
    const checkpoint::Checkpoint& checkpoint, const Options& options) {
  const checkpoint::ModelConfig& config = checkpoint.model_config();
  if (options.num_blocks < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("the number of KV blocks must be positive, not ", options.num_blocks));
  }
  try {
    const c10::InferenceMode inference;
    absl::StatusOr<SlowAr> slow = SlowAr::Load(checkpoint.weights(), config, options.mode);
    if (!slow.ok()) return slow.status();
    absl::StatusOr<FastAr> fast = FastAr::Load(checkpoint.weights(), config, options.mode);
    if (!fast.ok()) return fast.status();
    return std::unique_ptr<ModelRunner>(
        new ModelRunner(config, *std::move(slow), *std::move(fast), options.num_blocks));
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("loading the model of ", checkpoint.directory(), ": ", error.what()));
  }
}

int64_t ModelRunner::BlockBytes(const checkpoint::ModelConfig& config) {
  return config.text.n_layer * 2 * config.text.n_local_heads * kBlockPositions *
         config.text.head_dim * static_cast<int64_t>(sizeof(float));
}

absl::StatusOr<std::vector<DrawnFrame>> ModelRunner::Step(absl::Span<const SequenceChunk> chunks) {
  try {
    const c10::InferenceMode inference;
    const absl::Status laid_out = LayOutRows(chunks, config_, cache_.num_blocks(), rows_);
    if (!laid_out.ok()) return laid_out;
    return Run(chunks);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("a step of the model failed: ", error.what()));
  }
}

std::vector<DrawnFrame> ModelRunner::Run(absl::Span<const SequenceChunk> chunks) {
  std::vector<DrawnFrame> drawn(chunks.size());
  if (chunks.empty()) return drawn;
  const PagedRows places = rows_.places();
  slow_.Embed(rows_.token_ids, rows_.codes, activations_.x.Get(places.size() * config_.text.dim));
  const float* hidden = slow_.transformer().Forward(places, rows_.draw_rows, cache_, activations_);
  if (rows_.draw_rows.empty()) return drawn;
  DrawSemanticCodes(chunks, hidden, drawn);
  if (!open_.empty()) DrawResidualCodes(chunks, hidden, drawn);
  return drawn;
}

void ModelRunner::DrawSemanticCodes(absl::Span<const SequenceChunk> chunks, const float* hidden,
                                    std::vector<DrawnFrame>& drawn) {
  const int64_t draws = static_cast<int64_t>(rows_.draw_rows.size());
  float* logits = logits_.Get(draws * slow_.n_logits());
  slow_.Logits(hidden, draws, logits);
  open_.clear();
  codes_.clear();
  for (int64_t row = 0; row < draws; ++row) {
    const size_t c = rows_.draw_chunks[static_cast<size_t>(row)];
    const SequenceChunk& chunk = chunks[c];
    const SemanticDraw draw = DrawSemantic(LogitsRow(logits, row, slow_.n_logits()), chunk.history,
                                           *chunk.sampling, KeyOf(chunk, 0));
    if (draw.index < 0) {
      drawn[c].status = NotFinite(0);
      continue;
    }
    drawn[c].drawn = true;
    drawn[c].end = draw.index == config_.n_semantic();
    if (drawn[c].end) continue;
    drawn[c].codes.reserve(static_cast<size_t>(config_.num_codebooks));
    drawn[c].codes.push_back(draw.index);
    open_.push_back(OpenFrame{c, row, draw.hot});
    codes_.push_back(draw.index);
  }
}

const float* ModelRunner::OpenRows(const float* hidden) {
  if (open_.size() == rows_.draw_rows.size()) return hidden;
  const int64_t dim = config_.text.dim;
  float* inputs = inputs_.Get(static_cast<int64_t>(open_.size()) * dim);
  for (size_t i = 0; i < open_.size(); ++i) {
    std::copy_n(hidden + open_[i].row * dim, dim, inputs + static_cast<int64_t>(i) * dim);
  }
  return inputs;
}

void ModelRunner::DrawResidualCodes(absl::Span<const SequenceChunk> chunks, const float* hidden,
                                    std::vector<DrawnFrame>& drawn) {
  for (int64_t k = 1; k < config_.num_codebooks; ++k) {
    const float* logits = k == 1 ? fast_.First(OpenRows(hidden), codes_, frames_)
                                 : fast_.Next(k - 1, codes_, frames_);
    for (size_t i = 0; i < open_.size(); ++i) {
      const SequenceChunk& chunk = chunks[open_[i].chunk];
      DrawnFrame& frame = drawn[open_[i].chunk];
      if (!frame.status.ok()) continue;
      const int32_t code =
          DrawResidual(LogitsRow(logits, static_cast<int64_t>(i), fast_.n_logits()), open_[i].hot,
                       *chunk.sampling, KeyOf(chunk, static_cast<uint32_t>(k)));
      if (code < 0) {
        frame.status = NotFinite(k);
        frame.drawn = false;
        codes_[i] = 0;  // its row goes on unused: the others' rows stay where they are
        continue;
      }
      codes_[i] = code;
      frame.codes.push_back(code);
    }
  }
}

}  // namespace shoal::engine
