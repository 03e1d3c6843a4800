// The slow decoder: one position a token or audio frame.
//
// Const after loading; KV is passed in. Called by the model thread. Tokens and codes are trusted to
// be in range (step_rows.h checks them).
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_SLOW_AR_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_SLOW_AR_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/linear.h"
#include "services/ar_engine/model/transformer.h"

namespace shoal::engine {

class SlowAr {
 public:
  static absl::StatusOr<SlowAr> Load(const checkpoint::TensorStore& weights,
                                     const checkpoint::ModelConfig& config,
                                     model::ProductMode mode);

  // What enters the first layer: the token's embedding and, where the token is semantic, that of
  // all of its codes. token_ids: (rows), codes: (rows, num_codebooks), x: (rows, dim)
  void Embed(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes, float* x) const;

  const Transformer& transformer() const { return transformer_; }

  // Logits of semantic_start..semantic_end, then eos. hidden: (rows, dim), after the final norm;
  // logits: (rows, n_logits())
  void Logits(const float* hidden, int64_t rows, float* logits) const {
    head_.Multiply(hidden, rows, nullptr, logits);
  }
  int64_t n_logits() const { return head_.out_features(); }

 private:
  SlowAr(const checkpoint::ModelConfig& config, at::Tensor tokens, at::Tensor codes,
         Transformer transformer, model::Linear head);

  checkpoint::ModelConfig config_;
  at::Tensor token_embeddings_;  // (vocab_size, dim)
  at::Tensor code_embeddings_;   // (num_codebooks * entries, dim)
  Transformer transformer_;
  model::Linear head_;  // the rows that may be drawn: (n_semantic + 1, dim)
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_SLOW_AR_H_
