// The inner loops of attention over one head's keys and values, block by block. No ATen.
#ifndef SHOAL_SERVICES_AR_ENGINE_ATTENTION_KERNEL_H_
#define SHOAL_SERVICES_AR_ENGINE_ATTENTION_KERNEL_H_

#include <cstdint>

namespace shoal::engine {

// One query head of one row, and where the keys and values of its positions stand.
struct HeadQuery {
  const float* query;          // (head_dim)
  const float* kv;             // (num_blocks, 2, kv_heads, 16, head_dim), at the KV head's block 0
  const int32_t* block_table;  // (ceil(length / 16))
  int64_t length;              // positions attended to, >= 1
  int64_t head_dim;
  int64_t block_stride;  // floats from one block to the next
  int64_t value_offset;  // floats from a block's keys to its values
};

// out: (head_dim); scratch: (length rounded up to 16) floats.
void AttendOneHead(const HeadQuery& head, float* scratch, float* out);

}  // namespace shoal::engine

#endif  // SHOAL_SERVICES_AR_ENGINE_ATTENTION_KERNEL_H_
