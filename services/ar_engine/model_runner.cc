#include "services/ar_engine/model_runner.h"

#include <c10/core/InferenceMode.h>

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace shoal::engine {
namespace {

static_assert(FrameModel::kBlockPositions == kBlockPositions);

absl::Span<const float> LogitsRow(const at::Tensor& logits, int64_t row) {
  const size_t n = static_cast<size_t>(logits.size(1));
  return {logits.const_data_ptr<float>() + row * logits.size(1), n};
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
    absl::StatusOr<StepRows> rows = LayOutRows(chunks, config_, cache_.num_blocks());
    if (!rows.ok()) return rows.status();
    return Run(chunks, *rows);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("a step of the model failed: ", error.what()));
  }
}

std::vector<DrawnFrame> ModelRunner::Run(absl::Span<const SequenceChunk> chunks,
                                         const StepRows& rows) {
  std::vector<DrawnFrame> drawn(chunks.size());
  if (chunks.empty()) return drawn;
  const at::Tensor hidden = slow_.transformer().Forward(slow_.Embed(rows.token_ids, rows.codes),
                                                        rows.places, cache_, rows.draw_rows);
  if (rows.draw_chunks.empty()) return drawn;
  DrawResidualCodes(chunks, hidden, DrawSemanticCodes(chunks, rows, hidden, drawn), drawn);
  return drawn;
}

std::vector<ModelRunner::OpenFrame> ModelRunner::DrawSemanticCodes(
    absl::Span<const SequenceChunk> chunks, const StepRows& rows, const at::Tensor& hidden,
    std::vector<DrawnFrame>& drawn) const {
  const at::Tensor logits = slow_.Logits(hidden);
  std::vector<OpenFrame> frames;
  for (size_t i = 0; i < rows.draw_chunks.size(); ++i) {
    const size_t c = rows.draw_chunks[i];
    const SequenceChunk& chunk = chunks[c];
    const int64_t row = static_cast<int64_t>(i);
    const SemanticDraw draw =
        DrawSemantic(LogitsRow(logits, row), chunk.history, *chunk.sampling, KeyOf(chunk, 0));
    if (draw.index < 0) {
      drawn[c].status = NotFinite(0);
      continue;
    }
    drawn[c].drawn = true;
    drawn[c].end = draw.index == config_.n_semantic();
    if (drawn[c].end) continue;
    drawn[c].codes.reserve(config_.num_codebooks);
    drawn[c].codes.push_back(draw.index);
    frames.push_back(OpenFrame{c, row, draw.hot});
  }
  return frames;
}

void ModelRunner::DrawResidualCodes(absl::Span<const SequenceChunk> chunks,
                                    const at::Tensor& hidden, std::vector<OpenFrame> frames,
                                    std::vector<DrawnFrame>& drawn) {
  if (frames.empty()) return;
  std::vector<int64_t> selected;
  std::vector<int32_t> codes;  // of the last codebook drawn
  for (const OpenFrame& frame : frames) {
    selected.push_back(frame.row);
    codes.push_back(drawn[frame.chunk].codes[0]);
  }
  const at::Tensor inputs =
      hidden.index_select(0, at::tensor(selected, at::TensorOptions(at::kLong)));
  for (int64_t k = 1; k < config_.num_codebooks; ++k) {
    const at::Tensor logits =
        k == 1 ? fast_.First(inputs, codes, frames_) : fast_.Next(k - 1, codes, frames_);
    for (size_t i = 0; i < frames.size(); ++i) {
      const SequenceChunk& chunk = chunks[frames[i].chunk];
      DrawnFrame& frame = drawn[frames[i].chunk];
      if (!frame.status.ok()) continue;
      const int32_t code = DrawResidual(LogitsRow(logits, static_cast<int64_t>(i)), frames[i].hot,
                                        *chunk.sampling, KeyOf(chunk, static_cast<uint32_t>(k)));
      if (code < 0) {
        frame.status = NotFinite(k);
        frame.drawn = false;
        codes[i] = 0;  // its row goes on unused: the others' rows stay where they are
        continue;
      }
      codes[i] = code;
      frame.codes.push_back(code);
    }
  }
}

}  // namespace shoal::engine
