#include "services/ar_engine/paged_attention.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/model/parallel.h"
#include "common/model/row_kernels.h"
#include "services/ar_engine/attention_kernel.h"

namespace shoal::engine {
namespace {

// Multiply-adds that are worth waking a thread for.
constexpr int64_t kGrainProducts = 1 << 18;

// Raw access to a KV tensor (num_blocks, 2, kv_heads, 16, head_dim).
struct KvLayout {
  explicit KvLayout(const at::Tensor& kv)
      : heads(kv.size(2)),
        head_dim(kv.size(4)),
        head_stride(kBlockPositions * head_dim),
        value_offset(heads * head_stride),
        block_stride(2 * value_offset) {
    TORCH_CHECK(kv.is_contiguous() && kv.scalar_type() == at::kFloat && kv.dim() == 5 &&
                    kv.size(1) == 2 && kv.size(3) == kBlockPositions,
                "a KV cache must be (num_blocks, 2, kv_heads, ", kBlockPositions,
                ", head_dim) float32, not ", kv.sizes());
  }

  int64_t heads;
  int64_t head_dim;
  int64_t head_stride;
  int64_t value_offset;
  int64_t block_stride;
};

// Raw access to PagedRows.
struct RowPlaces {
  explicit RowPlaces(const PagedRows& rows)
      : position(rows.position.const_data_ptr<int32_t>()),
        sequence(rows.sequence.const_data_ptr<int32_t>()),
        tables(rows.block_tables.const_data_ptr<int32_t>()),
        table_stride(rows.block_tables.size(1)) {
    TORCH_CHECK(rows.position.is_contiguous() && rows.sequence.is_contiguous() &&
                    rows.block_tables.is_contiguous(),
                "the places of rows must be contiguous");
  }

  const int32_t* table(int64_t row) const { return tables + sequence[row] * table_stride; }

  const int32_t* position;
  const int32_t* sequence;
  const int32_t* tables;
  int64_t table_stride;
};

// Normalises (where `norm` is given) and rotates one head.
void TransformHead(const float* x, const float* norm, const HeadTransform& transform,
                   const float* rotation, int64_t head_dim, float* out) {
  if (norm != nullptr) {
    model::RmsNormRow(x, norm, head_dim, transform.norm_eps, out);
    x = out;
  }
  model::RotateRow(x, rotation, head_dim, out);
}

const float* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

}  // namespace

at::Tensor CacheKeysAndValues(const at::Tensor& qkv, const HeadTransform& transform,
                              const PagedRows& rows, at::Tensor& kv) {
  const KvLayout layout(kv);
  const RowPlaces places(rows);
  const int64_t head_dim = layout.head_dim;
  const int64_t heads = qkv.size(1) / head_dim - 2 * layout.heads;
  TORCH_CHECK(qkv.is_contiguous() && heads > 0 && rows.position.size(0) == qkv.size(0),
              "queries, keys and values of shape ", qkv.sizes(), " do not fit a cache of ",
              kv.sizes());
  at::Tensor q = at::empty({qkv.size(0), heads, head_dim}, qkv.options());
  const float* in = qkv.const_data_ptr<float>();
  float* queries = q.mutable_data_ptr<float>();
  float* cache = kv.mutable_data_ptr<float>();
  const float* query_norm = DataOrNull(transform.query_norm);
  const float* key_norm = DataOrNull(transform.key_norm);
  for (int64_t row = 0; row < qkv.size(0); ++row) {
    const int64_t position = places.position[row];
    const float* x = in + row * qkv.size(1);
    const float* rotation = transform.rope.const_data_ptr<float>() + position * head_dim;
    for (int64_t head = 0; head < heads; ++head, x += head_dim) {
      TransformHead(x, query_norm, transform, rotation, head_dim,
                    queries + (row * heads + head) * head_dim);
    }
    float* keys = cache + places.table(row)[position / kBlockPositions] * layout.block_stride +
                  position % kBlockPositions * head_dim;
    for (int64_t head = 0; head < layout.heads; ++head, x += head_dim) {
      TransformHead(x, key_norm, transform, rotation, head_dim, keys + head * layout.head_stride);
    }
    float* values = keys + layout.value_offset;
    for (int64_t head = 0; head < layout.heads; ++head, x += head_dim) {
      std::memcpy(values + head * layout.head_stride, x, head_dim * sizeof(float));
    }
  }
  return q;
}

at::Tensor PagedAttention(const at::Tensor& q, const at::Tensor& kv, const PagedRows& rows) {
  const KvLayout layout(kv);
  const RowPlaces places(rows);
  const int64_t n = q.size(0);
  const int64_t heads = q.size(1);
  const int64_t head_dim = layout.head_dim;
  TORCH_CHECK(q.is_contiguous() && q.size(2) == head_dim && heads % layout.heads == 0 &&
                  rows.position.size(0) == n,
              "queries of shape ", q.sizes(), " do not fit a cache of ", kv.sizes());
  const int64_t group = heads / layout.heads;
  const int64_t longest = n > 0 ? 1 + *std::max_element(places.position, places.position + n) : 0;
  const int64_t scratch_size = BlocksFor(longest) * kBlockPositions;
  at::Tensor out = at::empty({n, heads * head_dim}, q.options());
  const float* queries = q.const_data_ptr<float>();
  const float* cache = kv.const_data_ptr<float>();
  float* outputs = out.mutable_data_ptr<float>();

  const int64_t grain = kGrainProducts / std::max<int64_t>(1, longest * head_dim * 2);
  model::ParallelFor(n * heads, std::max<int64_t>(1, grain), [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(scratch_size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / heads;
      const float* head_kv = cache + i % heads / group * layout.head_stride;
      const HeadQuery head{queries + i * head_dim,
                           head_kv,
                           places.table(row),
                           1 + int64_t{places.position[row]},
                           head_dim,
                           layout.block_stride,
                           layout.value_offset};
      AttendOneHead(head, scratch.data(), outputs + i * head_dim);
    }
  });
  return out;
}

}  // namespace shoal::engine
