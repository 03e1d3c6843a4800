#include "common/codec/kernels/kernels_by_unit.h"
#include "common/codec/kernels/narrow_tiles.h"
#include "common/codec/kernels/vectors_avx2.h"

namespace shoal::codec {
namespace {

// 16 registers: two panels' worth of accumulators at most 12.
struct FloatTiles {
  static constexpr int kMaxRows = 6;
  static constexpr int Panels(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
};
struct DoubleTiles {
  static constexpr int kMaxRows = 3;
  static constexpr int Panels(int rows) { return rows == 1 ? 2 : 1; }
};

}  // namespace

const Kernels<float> kFloatAvx2 = {&FloatProduct<Float8, FloatTiles, Float8>, &Snake<Float8>};
const Kernels<double> kDoubleAvx2 = {&Product<Double4, DoubleTiles, Double4>, &Snake<Double4>};

}  // namespace shoal::codec
