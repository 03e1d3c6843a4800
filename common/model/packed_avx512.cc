// Compiled with -mavx512f: everything here runs only behind HasAvx512().
#include <immintrin.h>

#include "common/model/packed_kernels.h"
#include "common/model/packed_tile.h"

namespace shoal::model {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int kLanes = 16;
  // 32 registers: 12 x 2 sums leave room for the weights.
  static constexpr int kMaxRows = 12;
  static constexpr int kPanelsForManyRows = 2;
  static constexpr int kFewRows = 6;
  static constexpr int kPanelsForFewRows = 4;
  static constexpr int kPanelsForOneRow = 8;

  static Vector Zero() { return _mm512_setzero_ps(); }
  static Vector Load(const float* p) { return _mm512_loadu_ps(p); }
  static Vector Broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static Vector MultiplyAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static Vector Add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector LowHalf(Vector words) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(words), 16));
  }
  static Vector HighHalf(Vector words) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(words), _mm512_set1_epi32(-65536)));
  }
  static __mmask16 Mask(int64_t left) {
    return static_cast<__mmask16>(left < 16 ? (1u << left) - 1 : 0xffffu);
  }
  static Vector LoadMasked(const float* p, __mmask16 mask) {
    return _mm512_maskz_loadu_ps(mask, p);
  }
  static void StoreMasked(float* p, __mmask16 mask, Vector v) { _mm512_mask_storeu_ps(p, mask, v); }
};

}  // namespace

void MultiplyPanelsAvx512(const PackedProduct& product, int64_t begin, int64_t end) {
  if (product.bf16) {
    MultiplyPanels<Avx512, true>(product, begin, end);
  } else {
    MultiplyPanels<Avx512, false>(product, begin, end);
  }
}

}  // namespace shoal::model
