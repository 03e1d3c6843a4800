// The fast decoder: one short sequence an audio frame, along the codebooks, for many frames at
// once.
//
// Position 0 is the slow decoder's output, position k the code of codebook k - 1; the logits of
// position k are those of codebook k. Positions 0 and 1 are both known when the semantic code is,
// so they are one pass. Weights are const; the KV, which starts empty for every frame, is in
// FastFrames, owned by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_FAST_AR_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_FAST_AR_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/buffer.h"
#include "common/model/linear.h"
#include "services/ar_engine/model/kv_cache.h"
#include "services/ar_engine/model/transformer.h"

namespace shoal::engine {

// The frames in the making: their KV, and what the passes over them compute. It grows to the
// largest batch it has served and stays there.
class FastFrames {
 public:
  explicit FastFrames(const checkpoint::ModelConfig& config);

 private:
  friend class FastAr;
  void Start(int64_t frames);
  // All frames at positions [from, from + n), position by position.
  PagedRows Rows(int64_t from, int64_t n) const;

  checkpoint::TransformerConfig config_;
  int64_t num_codebooks_;
  int64_t blocks_;  // KV blocks a frame
  int64_t capacity_ = 0;
  int64_t frames_ = 0;
  KvCache cache_;
  std::vector<int32_t> positions_;     // (num_codebooks, frames): k in row k
  std::vector<int32_t> sequences_;     // (num_codebooks, frames): 0, 1, 2, ... in every row
  std::vector<int32_t> block_tables_;  // (frames, blocks)
  std::vector<int32_t> indices_;       // (2 * frames): 0, 1, 2, ...
  Activations activations_;
  model::Buffer logits_;
};

class FastAr {
 public:
  static absl::StatusOr<FastAr> Load(const checkpoint::TensorStore& weights,
                                     const checkpoint::ModelConfig& config,
                                     model::ProductMode mode);

  // Starts a frame for every row. hidden: (frames, text_dim) from the slow decoder, semantic_codes:
  // (frames) -> logits of codebook 1 (frames, n_logits()), valid until the next call.
  // REQUIRES: num_codebooks > 1.
  const float* First(const float* hidden, absl::Span<const int32_t> semantic_codes,
                     FastFrames& frames) const;
  // Goes on with the codes (frames) of codebook k -> logits of codebook k + 1, likewise.
  // REQUIRES: 1 <= k < num_codebooks - 1, and calls in order.
  const float* Next(int64_t k, absl::Span<const int32_t> codes, FastFrames& frames) const;

  int64_t n_logits() const { return head_.out_features(); }

 private:
  FastAr(std::optional<model::Linear> project_in, at::Tensor embeddings, Transformer transformer,
         model::Linear head);
  void Embed(absl::Span<const int32_t> codes, float* x) const;
  // The pass over the last of `rows`, a row a frame.
  const float* Logits(const PagedRows& rows, FastFrames& frames) const;

  std::optional<model::Linear> project_in_;  // where text_dim is not dim
  at::Tensor embeddings_;                    // (entries, dim)
  Transformer transformer_;
  model::Linear head_;  // (entries, dim)
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_FAST_AR_H_
