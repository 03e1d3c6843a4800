#include "services/ar_engine/kv_cache.h"

#include "services/ar_engine/paged_attention.h"

namespace shoal::engine {

KvCache::KvCache(const checkpoint::TransformerConfig& config, int64_t num_blocks)
    : num_blocks_(num_blocks) {
  // Zeros rather than whatever was there: what memory this takes is taken now, not under load.
  for (int64_t i = 0; i < config.n_layer; ++i) {
    layers_.push_back(
        at::zeros({num_blocks, 2, config.n_local_heads, kBlockPositions, config.head_dim},
                  at::TensorOptions(at::kFloat)));
  }
}

}  // namespace shoal::engine
