// The slow decoder: one position a token or audio frame.
//
// Const after loading; KV is passed in. Called by the model thread. Tokens and codes are trusted to
// be in range (step_rows.h checks them).
#ifndef SHOAL_SERVICES_AR_ENGINE_SLOW_AR_H_
#define SHOAL_SERVICES_AR_ENGINE_SLOW_AR_H_

#include <ATen/ATen.h>

#include <optional>

#include "absl/status/statusor.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/linear.h"
#include "services/ar_engine/transformer.h"

namespace shoal::engine {

class SlowAr {
 public:
  static absl::StatusOr<SlowAr> Load(const checkpoint::TensorStore& weights,
                                     const checkpoint::ModelConfig& config,
                                     model::ProductMode mode);

  // What enters the first layer: the token's embedding and, where the token is semantic, that of
  // all of its codes. token_ids: (rows) int32, codes: (rows, num_codebooks) int32 -> (rows, dim)
  at::Tensor Embed(const at::Tensor& token_ids, const at::Tensor& codes) const;

  const Transformer& transformer() const { return transformer_; }

  // Logits of semantic_start..semantic_end, then eos. hidden: (rows, dim), after the final norm
  // -> (rows, n_semantic + 1)
  at::Tensor Logits(const at::Tensor& hidden) const { return head_(hidden); }

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

#endif  // SHOAL_SERVICES_AR_ENGINE_SLOW_AR_H_
