#include "services/ar_engine/model/attention_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/vector_math.h"
#include "services/ar_engine/model/paged_attention.h"

namespace shoal::engine {
namespace {

using model::FirstLanes;

// Asks for `floats` from `p` on. A block's part of one head is no longer than a page, where the
// machine's own prefetching stops; the next block stands anywhere.
inline void Prefetch(const float* p, int64_t floats) {
  for (int64_t i = 0; i < floats; i += 16) {
    _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
  }
}

// Dot products of `query` with eight keys that stand one after the other. (8) -> lanes
__m256 DotEight(const float* query, const float* keys, int64_t head_dim) {
  __m256 sums[8] = {};
  int64_t d = 0;
  for (; d + 8 <= head_dim; d += 8) {
    const __m256 q = _mm256_loadu_ps(query + d);
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_fmadd_ps(q, _mm256_loadu_ps(keys + j * head_dim + d), sums[j]);
    }
  }
  if (d < head_dim) {
    const __m256i mask = FirstLanes(head_dim - d);
    const __m256 q = _mm256_maskload_ps(query + d, mask);
    for (int j = 0; j < 8; ++j) {
      sums[j] = _mm256_fmadd_ps(q, _mm256_maskload_ps(keys + j * head_dim + d, mask), sums[j]);
    }
  }
  const __m256 low =
      _mm256_hadd_ps(_mm256_hadd_ps(sums[0], sums[1]), _mm256_hadd_ps(sums[2], sums[3]));
  const __m256 high =
      _mm256_hadd_ps(_mm256_hadd_ps(sums[4], sums[5]), _mm256_hadd_ps(sums[6], sums[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                       _mm256_permute2f128_ps(low, high, 0x31));
}

// The block of `position`, or the last one beyond `longest`.
inline const float* BlockAt(const HeadKv& head, int64_t position, int64_t longest) {
  return head.kv +
         head.block_table[std::min(position, longest - 1) / kBlockPositions] * head.block_stride;
}

// Scaled scores of all positions of each query, -infinity from its length up to the next multiple
// of 8, and its largest score. scores: (count, stride)
void Scores(const HeadKv& head, const HeadQuery* queries, int64_t count, int64_t longest,
            float* scores, int64_t stride, float* largest) {
  const __m256 scale =
      _mm256_set1_ps(static_cast<float>(1.0 / std::sqrt(static_cast<double>(head.head_dim))));
  const __m256 nothing = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  __m256 most[kMostQueries];
  std::fill_n(most, count, nothing);
  for (int64_t position = 0; position < longest; position += 8) {
    const int64_t offset = position % kBlockPositions * head.head_dim;
    const float* keys = BlockAt(head, position, longest) + offset;
    Prefetch(BlockAt(head, position + kBlockPositions, longest) + offset, 8 * head.head_dim);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t left = queries[i].length - position;
      if (left <= 0) continue;
      // Positions beyond the query's own may hold anything; their lanes are dropped.
      const __m256 dots = _mm256_mul_ps(DotEight(queries[i].query, keys, head.head_dim), scale);
      const __m256 kept = _mm256_blendv_ps(nothing, dots, _mm256_castsi256_ps(FirstLanes(left)));
      _mm256_storeu_ps(scores + i * stride + position, kept);
      most[i] = _mm256_max_ps(most[i], kept);
    }
  }
  for (int64_t i = 0; i < count; ++i) largest[i] = model::Max(most[i]);
}

// Scores to e^(score - largest); returns their sum.
float Exponentials(int64_t length, float largest, float* scores) {
  const __m256 shift = _mm256_set1_ps(largest);
  __m256 sum = _mm256_setzero_ps();
  for (int64_t position = 0; position < length; position += 8) {
    const __m256 e = model::Exp(_mm256_sub_ps(_mm256_loadu_ps(scores + position), shift));
    _mm256_storeu_ps(scores + position, e);
    sum = _mm256_add_ps(sum, e);
  }
  return model::Sum(sum);
}

// out[0, 8 * kVectors) += sum over `n` values of weight * value. The last vector is masked by
// `mask` where kVectors is 1.
template <int kVectors>
inline void AddValues(const float* values, int64_t head_dim, const float* weights, int64_t n,
                      __m256i mask, float* out) {
  __m256 sums[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    sums[v] = kVectors == 1 ? _mm256_maskload_ps(out, mask) : _mm256_loadu_ps(out + 8 * v);
  }
  for (int64_t j = 0; j < n; ++j) {
    const __m256 weight = _mm256_broadcast_ss(weights + j);
    const float* value = values + j * head_dim;
    for (int v = 0; v < kVectors; ++v) {
      const __m256 x =
          kVectors == 1 ? _mm256_maskload_ps(value, mask) : _mm256_loadu_ps(value + 8 * v);
      sums[v] = _mm256_fmadd_ps(weight, x, sums[v]);
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    if (kVectors == 1) {
      _mm256_maskstore_ps(out, mask, sums[v]);
    } else {
      _mm256_storeu_ps(out + 8 * v, sums[v]);
    }
  }
}

// The part of the head that starts at `from`, of each query: the values of one block after the
// other, each weighted for all queries while it is near.
template <int kVectors>
void WeightValues(const HeadKv& head, const HeadQuery* queries, int64_t count, int64_t longest,
                  const float* weights, int64_t stride, int64_t from) {
  const __m256i mask = FirstLanes(head.head_dim - from);
  const int64_t offset = head.value_offset + from;
  for (int64_t first = 0; first < longest; first += kBlockPositions) {
    const float* values = BlockAt(head, first, longest) + offset;
    const float* next = BlockAt(head, first + kBlockPositions, longest) + offset;
    for (int64_t j = 0; j < kBlockPositions; ++j) Prefetch(next + j * head.head_dim, 8 * kVectors);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t n = std::min(kBlockPositions, queries[i].length - first);
      AddValues<kVectors>(values, head.head_dim, weights + i * stride + first, n, mask,
                          queries[i].out + from);
    }
  }
}

void Divide(int64_t n, float total, float* out) {
  const __m256 divisor = _mm256_set1_ps(total);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_div_ps(_mm256_loadu_ps(out + i), divisor));
  }
  for (; i < n; ++i) out[i] /= total;
}

}  // namespace

void Attend(const HeadKv& head, const HeadQuery* queries, int64_t count, float* scratch) {
  int64_t longest = 0;
  for (int64_t i = 0; i < count; ++i) longest = std::max(longest, queries[i].length);
  const int64_t stride = AttentionScratch(1, longest);
  float largest[kMostQueries], total[kMostQueries];
  Scores(head, queries, count, longest, scratch, stride, largest);
  for (int64_t i = 0; i < count; ++i) {
    total[i] = Exponentials(queries[i].length, largest[i], scratch + i * stride);
    std::fill_n(queries[i].out, head.head_dim, 0.0f);
  }
  int64_t from = 0;
  for (; from + 64 <= head.head_dim; from += 64) {
    WeightValues<8>(head, queries, count, longest, scratch, stride, from);
  }
  for (; from + 32 <= head.head_dim; from += 32) {
    WeightValues<4>(head, queries, count, longest, scratch, stride, from);
  }
  for (; from < head.head_dim; from += 8) {
    WeightValues<1>(head, queries, count, longest, scratch, stride, from);
  }
  for (int64_t i = 0; i < count; ++i) Divide(head.head_dim, total[i], queries[i].out);
}

}  // namespace shoal::engine
