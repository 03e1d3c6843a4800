// The key/value memory of a transformer: one tensor a layer, shared by all sequences in blocks of
// 16 positions. Which block belongs to whom is the caller's to know.
//
// Owned by the model thread.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_KV_CACHE_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_KV_CACHE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "common/checkpoint/model_config.h"
#include "common/model/large_memory.h"

namespace shoal::engine {

class KvCache {
 public:
  KvCache() = default;  // no layers
  KvCache(const checkpoint::TransformerConfig& config, int64_t num_blocks);

  // (num_blocks, 2, kv_heads, 16, head_dim) float32: keys, values
  at::Tensor& layer(int64_t i) { return layers_[i]; }
  int64_t num_blocks() const { return num_blocks_; }

 private:
  int64_t num_blocks_ = 0;
  std::vector<model::LargeMemory> memory_;  // by layer
  std::vector<at::Tensor> layers_;          // views of it
};

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_KV_CACHE_H_
