// The transformer that the slow and the fast decoder share: layers with paged attention, and the
// norm after the last one.
//
// Const after loading; the KV that it reads and writes is passed in. Called by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_TRANSFORMER_H_
#define SHOAL_SERVICES_AR_ENGINE_TRANSFORMER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/feed_forward.h"
#include "common/model/linear.h"
#include "services/ar_engine/kv_cache.h"
#include "services/ar_engine/paged_attention.h"

namespace shoal::engine {

class Transformer {
 public:
  // Loads `prefix`.layers.{i}.* and `prefix`.norm.weight. `positions`: how many a sequence may
  // have.
  static absl::StatusOr<Transformer> Load(const checkpoint::TensorStore& weights,
                                          const std::string& prefix,
                                          const checkpoint::TransformerConfig& config,
                                          int64_t positions, model::ProductMode mode);

  int64_t n_layer() const { return static_cast<int64_t>(layers_.size()); }

  // One layer. Writes the keys and values of all rows to the cache and returns the output of the
  // rows at `wanted` (n) int64, or of all where it is undefined. x: (rows, dim) -> (n, dim)
  at::Tensor Layer(int64_t i, const at::Tensor& x, const PagedRows& rows, KvCache& cache,
                   const at::Tensor& wanted = at::Tensor()) const;
  // All layers and the final norm, for the rows at `wanted`, or for all: the last layer, which no
  // other layer reads, is computed for the wanted rows alone. x: (rows, dim) -> (n, dim)
  at::Tensor Forward(at::Tensor x, const PagedRows& rows, KvCache& cache,
                     const at::Tensor& wanted = at::Tensor()) const;
  // The final norm. x: (rows, dim) -> (rows, dim)
  at::Tensor FinalNorm(const at::Tensor& x) const;

 private:
  struct LayerWeights {
    at::Tensor attention_norm;  // (dim)
    model::Linear qkv;
    HeadTransform transform;
    model::Linear output;
    at::Tensor feed_forward_norm;  // (dim)
    model::FeedForward feed_forward;
  };

  static absl::StatusOr<LayerWeights> LoadLayer(const checkpoint::TensorStore& weights,
                                                const std::string& prefix,
                                                const checkpoint::TransformerConfig& config,
                                                const at::Tensor& rope, model::ProductMode mode);

  double norm_eps_ = 0;
  std::vector<LayerWeights> layers_;
  at::Tensor norm_;  // (dim)
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_TRANSFORMER_H_
