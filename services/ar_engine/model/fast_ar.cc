#include "services/ar_engine/model/fast_ar.h"

#include <bit>
#include <cstring>
#include <numeric>
#include <utility>

#include "common/model/weights.h"

namespace shoal::engine {

FastFrames::FastFrames(const checkpoint::ModelConfig& config)
    : config_(config.audio),
      num_codebooks_(config.num_codebooks),
      blocks_(BlocksFor(config.num_codebooks)) {}

void FastFrames::Start(int64_t frames) {
  if (frames == frames_) return;
  if (frames > capacity_) {
    capacity_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(frames)));
    cache_ = KvCache(config_, capacity_ * blocks_);
  }
  frames_ = frames;
  positions_.clear();
  sequences_.clear();
  for (int64_t k = 0; k < num_codebooks_; ++k) {
    for (int64_t frame = 0; frame < frames; ++frame) {
      positions_.push_back(static_cast<int32_t>(k));
      sequences_.push_back(static_cast<int32_t>(frame));
    }
  }
  block_tables_.resize(static_cast<size_t>(frames * blocks_));
  std::iota(block_tables_.begin(), block_tables_.end(), 0);
  indices_.resize(static_cast<size_t>(2 * frames));
  std::iota(indices_.begin(), indices_.end(), 0);
}

PagedRows FastFrames::Rows(int64_t from, int64_t n) const {
  const size_t first = static_cast<size_t>(from * frames_),
               count = static_cast<size_t>(n * frames_);
  return {absl::MakeConstSpan(positions_).subspan(first, count),
          absl::MakeConstSpan(sequences_).subspan(first, count), block_tables_, blocks_};
}

FastAr::FastAr(std::optional<model::Linear> project_in, at::Tensor embeddings,
               Transformer transformer, model::Linear head)
    : project_in_(std::move(project_in)),
      embeddings_(std::move(embeddings)),
      transformer_(std::move(transformer)),
      head_(std::move(head)) {}

absl::StatusOr<FastAr> FastAr::Load(const checkpoint::TensorStore& weights,
                                    const checkpoint::ModelConfig& config,
                                    model::ProductMode mode) {
  const checkpoint::TransformerConfig& audio = config.audio;
  std::optional<model::Linear> project_in;
  if (config.text_dim != audio.dim) {
    absl::StatusOr<at::Tensor> weight = model::LoadWeight(
        weights, "audio_decoder.project_in.weight", {audio.dim, config.text_dim}, at::kFloat);
    if (!weight.ok()) return weight.status();
    absl::StatusOr<at::Tensor> bias =
        model::LoadWeight(weights, "audio_decoder.project_in.bias", {audio.dim}, at::kFloat);
    if (!bias.ok()) return bias.status();
    project_in.emplace(*weight, *bias, mode);
  }
  absl::StatusOr<at::Tensor> embeddings = model::LoadWeight(
      weights, "audio_decoder.embeddings.weight", {audio.vocab_size, audio.dim}, at::kFloat);
  if (!embeddings.ok()) return embeddings.status();
  absl::StatusOr<at::Tensor> head = model::LoadWeight(weights, "audio_decoder.output.weight",
                                                      {audio.vocab_size, audio.dim}, at::kFloat);
  if (!head.ok()) return head.status();
  absl::StatusOr<Transformer> transformer =
      Transformer::Load(weights, "audio_decoder", audio, config.num_codebooks, mode);
  if (!transformer.ok()) return transformer.status();
  return FastAr(std::move(project_in), *std::move(embeddings), *std::move(transformer),
                model::Linear(*head, std::nullopt, mode));
}

void FastAr::Embed(absl::Span<const int32_t> codes, float* x) const {
  const int64_t dim = transformer_.dim();
  for (const int32_t code : codes) {
    std::memcpy(x, embeddings_.const_data_ptr<float>() + code * dim, dim * sizeof(float));
    x += dim;
  }
}

const float* FastAr::Logits(const PagedRows& rows, FastFrames& frames) const {
  const absl::Span<const int32_t> indices =
      absl::MakeConstSpan(frames.indices_).first(static_cast<size_t>(rows.size()));
  const float* hidden = transformer_.Forward(
      rows, indices.last(static_cast<size_t>(frames.frames_)), frames.cache_, frames.activations_);
  float* logits = frames.logits_.Get(frames.frames_ * n_logits());
  head_.Multiply(hidden, frames.frames_, nullptr, logits);
  return logits;
}

const float* FastAr::First(const float* hidden, absl::Span<const int32_t> semantic_codes,
                           FastFrames& frames) const {
  const int64_t n = static_cast<int64_t>(semantic_codes.size());
  const int64_t dim = transformer_.dim();
  frames.Start(n);
  float* x = frames.activations_.x.Get(2 * n * dim);
  if (project_in_) {
    project_in_->Multiply(hidden, n, nullptr, x);
  } else {
    std::memcpy(x, hidden, n * dim * sizeof(float));
  }
  Embed(semantic_codes, x + n * dim);
  return Logits(frames.Rows(0, 2), frames);
}

const float* FastAr::Next(int64_t k, absl::Span<const int32_t> codes, FastFrames& frames) const {
  Embed(codes, frames.activations_.x.Get(frames.frames_ * transformer_.dim()));
  return Logits(frames.Rows(k + 1, 1), frames);
}

}  // namespace shoal::engine
