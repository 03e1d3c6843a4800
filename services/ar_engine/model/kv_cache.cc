#include "services/ar_engine/model/kv_cache.h"

#include "services/ar_engine/model/paged_attention.h"

namespace shoal::engine {

KvCache::KvCache(const checkpoint::TransformerConfig& config, int64_t num_blocks)
    : num_blocks_(num_blocks) {
  const int64_t sizes[] = {num_blocks, 2, config.n_local_heads, kBlockPositions, config.head_dim};
  int64_t values = 1;
  for (const int64_t size : sizes) values *= size;
  for (int64_t i = 0; i < config.n_layer; ++i) {
    memory_.emplace_back(static_cast<size_t>(values) * sizeof(float));
    layers_.push_back(at::from_blob(memory_.back().get(), sizes, at::TensorOptions(at::kFloat)));
  }
}

}  // namespace shoal::engine
