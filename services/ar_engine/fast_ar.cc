#include "services/ar_engine/fast_ar.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "common/model/weights.h"

namespace shoal::engine {

FastFrames::FastFrames(const checkpoint::ModelConfig& config)
    : config_(config.audio),
      num_codebooks_(config.num_codebooks),
      blocks_(BlocksFor(config.num_codebooks)) {}

void FastFrames::Reserve(int64_t frames) {
  if (frames <= capacity_) return;
  capacity_ = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(frames)));
  cache_ = KvCache(config_, capacity_ * blocks_);
  const at::TensorOptions options = at::TensorOptions(at::kInt);
  const at::Tensor ones = at::ones({num_codebooks_, capacity_}, options);
  positions_ = at::arange(num_codebooks_, options).unsqueeze(1) * ones;
  sequences_ = at::arange(capacity_, options) * ones;
  block_tables_ = at::arange(capacity_ * blocks_, options).view({capacity_, blocks_});
}

PagedRows FastFrames::Rows(int64_t frames, int64_t from, int64_t n) const {
  const auto flat = [&](const at::Tensor& x) {
    return x.narrow(0, from, n).narrow(1, 0, frames).contiguous().view({n * frames});
  };
  return PagedRows{flat(positions_), flat(sequences_), block_tables_};
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

at::Tensor FastAr::Embed(absl::Span<const int32_t> codes) const {
  const int64_t dim = embeddings_.size(1);
  at::Tensor out = at::empty({static_cast<int64_t>(codes.size()), dim}, embeddings_.options());
  for (size_t i = 0; i < codes.size(); ++i) {
    std::memcpy(out.mutable_data_ptr<float>() + i * dim,
                embeddings_.const_data_ptr<float>() + codes[i] * dim, dim * sizeof(float));
  }
  return out;
}

at::Tensor FastAr::First(const at::Tensor& hidden, absl::Span<const int32_t> semantic_codes,
                         FastFrames& frames) const {
  const int64_t n = hidden.size(0);
  frames.Reserve(n);
  const at::Tensor projected = project_in_ ? (*project_in_)(hidden) : hidden;
  const at::Tensor x = at::cat({projected, Embed(semantic_codes)});
  const at::Tensor wanted = at::arange(n, 2 * n, at::TensorOptions(at::kLong));
  return head_(transformer_.Forward(x, frames.Rows(n, 0, 2), frames.cache_, wanted));
}

at::Tensor FastAr::Next(int64_t k, absl::Span<const int32_t> codes, FastFrames& frames) const {
  const int64_t n = static_cast<int64_t>(codes.size());
  return head_(transformer_.Forward(Embed(codes), frames.Rows(n, k + 1, 1), frames.cache_));
}

}  // namespace shoal::engine
