// Attention of a few query heads over paged keys and values, block by block. No ATen.
#ifndef SHOAL_SERVICES_AR_ENGINE_MODEL_ATTENTION_KERNEL_H_
#define SHOAL_SERVICES_AR_ENGINE_MODEL_ATTENTION_KERNEL_H_

#include <cstdint>

namespace shoal::engine {

// Where the keys and values of one head of one sequence stand.
struct HeadKv {
  const float* kv;             // (num_blocks, 2, kv_heads, 16, head_dim), at the head's block 0
  const int32_t* block_table;  // (ceil(length / 16)) for the longest length
  int64_t head_dim;
  int64_t block_stride;  // floats from one block to the next
  int64_t value_offset;  // floats from a block's keys to its values
};

struct HeadQuery {
  const float* query;  // (head_dim)
  int64_t length;      // positions attended to, >= 1
  float* out;          // (head_dim)
};

// Queries that one pass over the keys and values serves.
inline constexpr int64_t kMostQueries = 8;

// Floats of scratch for this many queries of at most `longest` positions.
constexpr int64_t AttentionScratch(int64_t queries, int64_t longest) {
  return queries * ((longest + 15) / 16 * 16);
}

// Each query's result is the same bits whatever queries stand beside it. REQUIRES: count <=
// kMostQueries; scratch: AttentionScratch(count, longest).
void Attend(const HeadKv& head, const HeadQuery* queries, int64_t count, float* scratch);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_MODEL_ATTENTION_KERNEL_H_
