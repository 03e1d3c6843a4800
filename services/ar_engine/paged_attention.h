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
#ifndef SHOAL_SERVICES_AR_ENGINE_PAGED_ATTENTION_H_
#define SHOAL_SERVICES_AR_ENGINE_PAGED_ATTENTION_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace shoal::engine {

inline constexpr int64_t kBlockPositions = 16;

// Blocks that hold this many positions.
constexpr int64_t BlocksFor(int64_t positions) {
  return (positions + kBlockPositions - 1) / kBlockPositions;
}

// Where the rows of a batch stand. Several rows may be of one sequence. All int32, contiguous.
struct PagedRows {
  at::Tensor position;      // (rows): in the row's sequence
  at::Tensor sequence;      // (rows): row of block_tables
  at::Tensor block_tables;  // (sequences, blocks): covers every position named

  // Those of the rows at `index` (n) int64.
  PagedRows Select(const at::Tensor& index) const {
    return {position.index_select(0, index), sequence.index_select(0, index), block_tables};
  }
};

// What queries and keys go through before they meet: an optional norm a head, and the rotation.
struct HeadTransform {
  at::Tensor query_norm;  // (head_dim) or undefined
  at::Tensor key_norm;    // (head_dim) or undefined
  double norm_eps;
  at::Tensor rope;  // (positions, head_dim/2, 2): table of common/model/rope.h
};

// Writes the keys and values of all rows to their places in `kv` and returns the queries.
// qkv: (rows, (heads + 2 * kv_heads) * head_dim): q, then k, then v -> (rows, heads, head_dim)
at::Tensor CacheKeysAndValues(const at::Tensor& qkv, const HeadTransform& transform,
                              const PagedRows& rows, at::Tensor& kv);

// softmax(q k / sqrt(head_dim)) v over the positions up to and including each row's own.
// q: (rows, heads, head_dim), heads a multiple of kv_heads -> (rows, heads * head_dim)
at::Tensor PagedAttention(const at::Tensor& q, const at::Tensor& kv, const PagedRows& rows);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_PAGED_ATTENTION_H_
