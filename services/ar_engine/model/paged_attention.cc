#include "services/ar_engine/model/paged_attention.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstring>

#include "absl/container/fixed_array.h"
#include "absl/container/inlined_vector.h"
#include "common/model/parallel.h"
#include "common/model/row_kernels.h"
#include "services/ar_engine/model/attention_kernel.h"

namespace shoal::engine {
namespace {

// Multiply-adds that are worth waking a thread for.
constexpr int64_t kGrainProducts = 1 << 18;
// Scores of one tile that need no memory of their own.
constexpr size_t kStackScores = 16384;

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

// Rows that stand side by side and are of one sequence.
struct RowTile {
  int64_t first, rows;
};
using RowTiles = absl::InlinedVector<RowTile, 256>;

// All rows, at most `most` in a tile.
RowTiles TilesOf(const PagedRows& rows, int64_t most) {
  RowTiles tiles;
  for (int64_t row = 0; row < rows.size(); ++row) {
    if (!tiles.empty() && tiles.back().rows < most &&
        rows.sequence[tiles.back().first] == rows.sequence[row]) {
      ++tiles.back().rows;
    } else {
      tiles.push_back({row, 1});
    }
  }
  return tiles;
}

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

void CacheKeysAndValues(const float* qkv, int64_t heads, const HeadTransform& transform,
                        const PagedRows& rows, at::Tensor& kv, float* q) {
  const KvLayout layout(kv);
  const int64_t head_dim = layout.head_dim;
  float* cache = kv.mutable_data_ptr<float>();
  const float* rope = transform.rope.const_data_ptr<float>();
  const float* query_norm = DataOrNull(transform.query_norm);
  const float* key_norm = DataOrNull(transform.key_norm);
  const float* x = qkv;
  for (int64_t row = 0; row < rows.size(); ++row) {
    const int64_t position = rows.position[row];
    const float* rotation = rope + position * head_dim;
    for (int64_t head = 0; head < heads; ++head, x += head_dim, q += head_dim) {
      TransformHead(x, query_norm, transform, rotation, head_dim, q);
    }
    float* keys = cache + rows.table(row)[position / kBlockPositions] * layout.block_stride +
                  position % kBlockPositions * head_dim;
    for (int64_t head = 0; head < layout.heads; ++head, x += head_dim) {
      TransformHead(x, key_norm, transform, rotation, head_dim, keys + head * layout.head_stride);
    }
    float* values = keys + layout.value_offset;
    for (int64_t head = 0; head < layout.heads; ++head, x += head_dim) {
      std::memcpy(values + head * layout.head_stride, x, head_dim * sizeof(float));
    }
  }
}

void PagedAttention(const float* q, int64_t heads, const at::Tensor& kv, const PagedRows& rows,
                    float* out) {
  const KvLayout layout(kv);
  TORCH_CHECK(heads % layout.heads == 0, heads, " heads do not share ", layout.heads, " KV heads");
  const int64_t group = heads / layout.heads;
  const RowTiles tiles = TilesOf(rows, std::max<int64_t>(1, kMostQueries / group));
  const int64_t n = static_cast<int64_t>(tiles.size());
  int64_t longest = 0, positions = 0;
  for (const int32_t position : rows.position) {
    longest = std::max<int64_t>(longest, position + 1);
    positions += position + 1;
  }
  const float* cache = kv.const_data_ptr<float>();

  // One KV head after the other, so that what several rows share is still near for the next.
  const auto attend = [&](int64_t begin, int64_t end) {
    absl::FixedArray<float, kStackScores> scratch(
        static_cast<size_t>(AttentionScratch(kMostQueries, longest)));
    for (int64_t item = begin; item < end; ++item) {
      const RowTile& tile = tiles[static_cast<size_t>(item % n)];
      const int64_t kv_head = item / n;
      const HeadKv head{cache + kv_head * layout.head_stride, rows.table(tile.first),
                        layout.head_dim, layout.block_stride, layout.value_offset};
      HeadQuery queries[kMostQueries];
      int64_t count = 0;
      for (int64_t i = 0; i < tile.rows * group; ++i) {
        const int64_t row = tile.first + i / group;
        const int64_t at = (row * heads + kv_head * group + i % group) * layout.head_dim;
        queries[count++] = {q + at, 1 + int64_t{rows.position[row]}, out + at};
        if (count < kMostQueries && i + 1 < tile.rows * group) continue;
        Attend(head, queries, count, scratch.data());
        count = 0;
      }
    }
  };
  const int64_t items = n * layout.heads;
  const int64_t products = 2 * positions * heads * layout.head_dim;
  const int64_t grain = items * kGrainProducts / std::max<int64_t>(1, products);
  model::ParallelFor(items, std::max<int64_t>(1, grain), attend);
}

}  // namespace shoal::engine
