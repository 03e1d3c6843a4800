#include <immintrin.h>

#include "common/model/packed_kernels.h"
#include "common/model/packed_tile.h"

namespace shoal::model {
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int kLanes = 8;
  // 16 registers: 5 x 2 sums leave room for two weights and a broadcast (measured: 6 x 2 spill).
  static constexpr int kMaxRows = 5;
  static constexpr int kPanelsForManyRows = 1;
  static constexpr int kFewRows = 2;
  static constexpr int kPanelsForFewRows = 2;
  static constexpr int kPanelsForOneRow = 3;

  static Vector Zero() { return _mm256_setzero_ps(); }
  static Vector Load(const float* p) { return _mm256_loadu_ps(p); }
  static Vector Broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static Vector MultiplyAdd(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector LowHalf(Vector words) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(words), 16));
  }
  static Vector HighHalf(Vector words) {
    return _mm256_and_ps(words, _mm256_castsi256_ps(_mm256_set1_epi32(-65536)));
  }
  static __m256i Mask(int64_t left) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? static_cast<int>(left) : 8), lanes);
  }
  static Vector LoadMasked(const float* p, __m256i mask) { return _mm256_maskload_ps(p, mask); }
  static void StoreMasked(float* p, __m256i mask, Vector v) { _mm256_maskstore_ps(p, mask, v); }
};

}  // namespace

void MultiplyPanelsAvx2(const PackedProduct& product, int64_t begin, int64_t end) {
  if (product.bf16) {
    MultiplyPanels<Avx2, true>(product, begin, end);
  } else {
    MultiplyPanels<Avx2, false>(product, begin, end);
  }
}

}  // namespace shoal::model
