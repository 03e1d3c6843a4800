// The fast decoder: one short sequence an audio frame, along the codebooks, for many frames at
// once.
//
// Position 0 is the slow decoder's output, position k the code of codebook k - 1; the logits of
// position k are those of codebook k. Positions 0 and 1 are both known when the semantic code is,
// so they are one pass. Weights are const; the KV, which starts empty for every frame, is in
// FastFrames, owned by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_FAST_AR_H_
#define SHOAL_SERVICES_AR_ENGINE_FAST_AR_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/linear.h"
#include "services/ar_engine/kv_cache.h"
#include "services/ar_engine/transformer.h"

namespace shoal::engine {

// The KV of the frames in the making. It grows to the largest batch it has served and stays there.
class FastFrames {
 public:
  explicit FastFrames(const checkpoint::ModelConfig& config);

 private:
  friend class FastAr;
  void Reserve(int64_t frames);
  // Rows of all frames at positions [from, from + n), position by position.
  PagedRows Rows(int64_t frames, int64_t from, int64_t n) const;

  checkpoint::TransformerConfig config_;
  int64_t num_codebooks_;
  int64_t blocks_;  // KV blocks a frame
  int64_t capacity_ = 0;
  KvCache cache_;
  at::Tensor positions_;     // (num_codebooks, capacity) int32: k in row k
  at::Tensor sequences_;     // (num_codebooks, capacity) int32: 0, 1, 2, ... in every row
  at::Tensor block_tables_;  // (capacity, blocks_) int32
};

class FastAr {
 public:
  static absl::StatusOr<FastAr> Load(const checkpoint::TensorStore& weights,
                                     const checkpoint::ModelConfig& config,
                                     model::ProductMode mode);

  // Starts a frame for every row. hidden: (frames, text_dim) from the slow decoder, semantic_codes:
  // (frames) -> logits of codebook 1 (frames, entries). REQUIRES: num_codebooks > 1.
  at::Tensor First(const at::Tensor& hidden, absl::Span<const int32_t> semantic_codes,
                   FastFrames& frames) const;
  // Goes on with the codes (frames) of codebook k -> logits of codebook k + 1 (frames, entries).
  // REQUIRES: 1 <= k < num_codebooks - 1, and calls in order.
  at::Tensor Next(int64_t k, absl::Span<const int32_t> codes, FastFrames& frames) const;

 private:
  FastAr(std::optional<model::Linear> project_in, at::Tensor embeddings, Transformer transformer,
         model::Linear head);
  at::Tensor Embed(absl::Span<const int32_t> codes) const;

  std::optional<model::Linear> project_in_;  // where text_dim is not dim
  at::Tensor embeddings_;                    // (entries, dim)
  Transformer transformer_;
  model::Linear head_;  // (entries, dim)
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_FAST_AR_H_
