// The transformer that the slow and the fast decoder share: layers with paged attention, and the
// norm after the last one.
//
// Const after loading; the KV that it reads and writes is passed in. Called by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_TRANSFORMER_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_TRANSFORMER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checkpoint/model_config.h"
#include "common/checkpoint/safetensors.h"
#include "common/model/buffer.h"
#include "common/model/feed_forward.h"
#include "common/model/linear.h"
#include "services/ar_engine/model/kv_cache.h"
#include "services/ar_engine/model/paged_attention.h"

namespace shoal::engine {

// What a pass computes on its way through the layers, kept from pass to pass. Used by one pass at a
// time.
struct Activations {
  model::Buffer x;  // (rows, dim): between the layers
  model::Buffer normed, qkv, query, attended, feed_forward;
  // Of the rows that leave the last layer, where they are not all.
  std::vector<int32_t> position, sequence;
};

class Transformer {
 public:
  // Loads `prefix`.layers.{i}.* and `prefix`.norm.weight. `positions`: how many a sequence may
  // have.
  static absl::StatusOr<Transformer> Load(const checkpoint::TensorStore& weights,
                                          const std::string& prefix,
                                          const checkpoint::TransformerConfig& config,
                                          int64_t positions, model::ProductMode mode);

  int64_t n_layer() const { return static_cast<int64_t>(layers_.size()); }

  int64_t dim() const { return dim_; }

  // All layers and the final norm over activations.x. Writes the keys and values of all rows to the
  // cache and returns the output of the rows at `wanted`, which ascend: (wanted, dim), valid until
  // the activations are used again. The last layer, which no other layer reads, is computed for
  // these rows alone.
  const float* Forward(const PagedRows& rows, absl::Span<const int32_t> wanted, KvCache& cache,
                       Activations& activations) const;
  // Its parts: one layer, which leaves the wanted rows, or all, in the front of activations.x, and
  // the norm of those.
  void Layer(int64_t i, const PagedRows& rows, std::optional<absl::Span<const int32_t>> wanted,
             KvCache& cache, Activations& activations) const;
  const float* FinalNorm(int64_t rows, Activations& activations) const;

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

  const float* Norm(const at::Tensor& weight, int64_t rows, Activations& activations) const;

  int64_t dim_ = 0, heads_ = 0, head_dim_ = 0;
  double norm_eps_ = 0;
  std::vector<LayerWeights> layers_;
  at::Tensor norm_;  // (dim)
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_TRANSFORMER_H_
