// Grouped-query attention over a paged KV cache.
//
// The KV of a layer is one tensor (num_blocks, 2, kv_heads, 16, head_dim) float32: keys, then
// values of 16 positions. A sequence's position p stands in block block_tables[sequence][p / 16] at
// offset p % 16. Both functions read and write blocks in place. Called by the model thread; the
// loops use the intra-op threads.
//
// A row's result depends only on its own query and on the KV of positions up to its own, summed in
// the order of positions: it is bit-equal whatever rows stand beside it and in whatever chunks the
// positions were written.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_PAGED_ATTENTION_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_PAGED_ATTENTION_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "absl/types/span.h"

namespace shoal::engine {

inline constexpr int64_t kBlockPositions = 16;

// Blocks that hold this many positions.
constexpr int64_t BlocksFor(int64_t positions) {
  return (positions + kBlockPositions - 1) / kBlockPositions;
}

// Where the rows of a batch stand. Several rows may be of one sequence. A view.
struct PagedRows {
  absl::Span<const int32_t> position;      // (rows): in the row's sequence
  absl::Span<const int32_t> sequence;      // (rows): row of block_tables
  absl::Span<const int32_t> block_tables;  // (sequences, blocks): covers every position named
  int64_t blocks = 0;                      // of a row of block_tables

  int64_t size() const { return static_cast<int64_t>(position.size()); }
  const int32_t* table(int64_t row) const { return block_tables.data() + sequence[row] * blocks; }
};

// What queries and keys go through before they meet: an optional norm a head, and the rotation.
struct HeadTransform {
  at::Tensor query_norm;  // (head_dim) or undefined
  at::Tensor key_norm;    // (head_dim) or undefined
  double norm_eps;
  at::Tensor rope;  // (positions, head_dim/2, 2): table of common/model/rope.h
};

// Writes the keys and values of all rows to their places in `kv` and the queries to `q`.
// qkv: (rows, (heads + 2 * kv_heads) * head_dim): q, then k, then v; q: (rows, heads, head_dim)
void CacheKeysAndValues(const float* qkv, int64_t heads, const HeadTransform& transform,
                        const PagedRows& rows, at::Tensor& kv, float* q);

// softmax(q k / sqrt(head_dim)) v over the positions up to and including each row's own.
// q: (rows, heads, head_dim), heads a multiple of kv_heads; out: (rows, heads * head_dim)
void PagedAttention(const float* q, int64_t heads, const at::Tensor& kv, const PagedRows& rows,
                    float* out);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_PAGED_ATTENTION_H_
