#include "services/ar_engine/attention_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/vector_math.h"
#include "services/ar_engine/paged_attention.h"

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

// The block that holds `position`, or the last one beyond the row's own.
inline const float* BlockAt(const HeadQuery& head, int64_t position) {
  const int64_t last = std::min(position, head.length - 1);
  return head.kv + head.block_table[last / kBlockPositions] * head.block_stride;
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

// Scaled scores of all positions, -infinity from `length` up to the end of the last block. Returns
// the largest.
float Scores(const HeadQuery& head, float* scores) {
  const __m256 scale =
      _mm256_set1_ps(static_cast<float>(1.0 / std::sqrt(static_cast<double>(head.head_dim))));
  const __m256 nothing = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
  __m256 largest = nothing;
  for (int64_t position = 0; position < head.length; position += 8) {
    const int64_t offset = position % kBlockPositions * head.head_dim;
    const float* keys = BlockAt(head, position) + offset;
    Prefetch(BlockAt(head, position + kBlockPositions) + offset, 8 * head.head_dim);
    // Positions beyond the row's own may hold anything; their lanes are dropped.
    const __m256 dots = _mm256_mul_ps(DotEight(head.query, keys, head.head_dim), scale);
    const __m256 valid = _mm256_castsi256_ps(FirstLanes(head.length - position));
    const __m256 kept = _mm256_blendv_ps(nothing, dots, valid);
    _mm256_storeu_ps(scores + position, kept);
    largest = _mm256_max_ps(largest, kept);
  }
  return model::Max(largest);
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

// out[0, 8 * kVectors) = sum over positions of weight * value, divided by `total`, for the part of
// the head that starts at `from`. `left` < 8 * kVectors only where kVectors is 1.
template <int kVectors>
void WeightValues(const HeadQuery& head, const float* weights, float total, int64_t from,
                  int64_t left, float* out) {
  __m256 sums[kVectors] = {};
  const __m256i mask = FirstLanes(left);
  for (int64_t first = 0; first < head.length; first += kBlockPositions) {
    const int64_t offset = head.value_offset + from;
    const float* values = BlockAt(head, first) + offset;
    const float* next_values = BlockAt(head, first + kBlockPositions) + offset;
    const int64_t n = std::min(kBlockPositions, head.length - first);
    for (int64_t j = 0; j < n; ++j) {
      const __m256 weight = _mm256_broadcast_ss(weights + first + j);
      const float* value = values + j * head.head_dim;
      Prefetch(next_values + j * head.head_dim, 8 * kVectors);
      for (int v = 0; v < kVectors; ++v) {
        const __m256 x =
            kVectors == 1 ? _mm256_maskload_ps(value, mask) : _mm256_loadu_ps(value + 8 * v);
        sums[v] = _mm256_fmadd_ps(weight, x, sums[v]);
      }
    }
  }
  const __m256 divisor = _mm256_set1_ps(total);
  for (int v = 0; v < kVectors; ++v) {
    const __m256 y = _mm256_div_ps(sums[v], divisor);
    if (kVectors == 1) {
      _mm256_maskstore_ps(out + from, mask, y);
    } else {
      _mm256_storeu_ps(out + from + 8 * v, y);
    }
  }
}

}  // namespace

void AttendOneHead(const HeadQuery& head, float* scratch, float* out) {
  const float largest = Scores(head, scratch);
  const float total = Exponentials(head.length, largest, scratch);
  int64_t from = 0;
  for (; from + 64 <= head.head_dim; from += 64) {
    WeightValues<8>(head, scratch, total, from, 64, out);
  }
  for (; from + 32 <= head.head_dim; from += 32) {
    WeightValues<4>(head, scratch, total, from, 32, out);
  }
  for (; from < head.head_dim; from += 8) {
    WeightValues<1>(head, scratch, total, from, head.head_dim - from, out);
  }
}

}  // namespace shoal::engine
