// The kernels as templates over a vector type. Each source that includes this compiles its own copy
// for its instruction set, so everything is in an unnamed namespace and only kernels.h is shared.
//
// A vector type V has: Element, kWidth, Zero, Set, Load, LoadPartial, Store, StorePartial, Add,
// Multiply, MultiplyAdd, MultiplySubtract and SinSquared.
#ifndef SHOAL_COMMON_CODEC_KERNELS_TILES_H_
#define SHOAL_COMMON_CODEC_KERNELS_TILES_H_

#include <cstdint>

#include "common/codec/kernels/kernels.h"

namespace shoal::codec {
namespace {

// Rows that one panel is multiplied with before the next: their windows and the panel fit the
// cache.
constexpr int64_t kRowBlock = 96;

template <typename T>
const T* WindowOf(const WindowProduct<T>& p, int64_t row) {
  return p.x + (row / p.rows) * p.x_stream_stride + (row % p.rows) * p.x_row_stride;
}

template <typename T>
int64_t OutputOffset(const WindowProduct<T>& p, int64_t row, int64_t stream_stride) {
  return (row / p.rows) * stream_stride + (row % p.rows) * p.outputs;
}

inline float Fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double Fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

// kRows rows times kPanels panels, all accumulators in registers.
template <class V, int kRows, int kPanels>
void Tile(const WindowProduct<typename V::Element>& p, int64_t row, int64_t panel) {
  using T = typename V::Element;
  constexpr int kVectors = kPanel / V::kWidth;  // of a panel
  const int64_t window = p.window();
  const T* x[kRows];
  for (int m = 0; m < kRows; ++m) x[m] = WindowOf(p, row + m);
  const T* w = p.packed + panel * window * kPanel;
  const int64_t next_panel = window * kPanel;

  typename V::Type sum[kRows][kPanels * kVectors];
#pragma GCC unroll 16
  for (int v = 0; v < kPanels * kVectors; ++v) {
    const typename V::Type bias = V::Load(p.bias + panel * kPanel + v * V::kWidth);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) sum[m][v] = bias;
  }
  for (int64_t segment = 0; segment < p.segments; ++segment) {
    const int64_t first = segment * p.segment_stride;
    for (int64_t c = first; c < first + p.segment_length; ++c) {
      typename V::Type weight[kPanels * kVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kPanels * kVectors; ++v) {
        weight[v] = V::Load(w + (v / kVectors) * next_panel + (v % kVectors) * V::kWidth);
      }
      w += kPanel;
#pragma GCC unroll 16
      for (int m = 0; m < kRows; ++m) {
        const typename V::Type element = V::Set(x[m][c]);
#pragma GCC unroll 16
        for (int v = 0; v < kPanels * kVectors; ++v) {
          sum[m][v] = V::MultiplyAdd(element, weight[v], sum[m][v]);
        }
      }
    }
  }
  const int64_t left = p.outputs - panel * kPanel;  // outputs from here on
  for (int m = 0; m < kRows; ++m) {
    T* y = p.y + OutputOffset(p, row + m, p.y_stream_stride) + panel * kPanel;
    const T* residual = nullptr;
    if (p.residual != nullptr) {
      residual = p.residual + OutputOffset(p, row + m, p.residual_stream_stride) + panel * kPanel;
    }
    for (int v = 0; v < kPanels * kVectors; ++v) {
      const int64_t column = v * V::kWidth;
      const int64_t columns = left - column;
      if (columns <= 0) break;
      typename V::Type value = sum[m][v];
      if (columns >= V::kWidth) {
        if (residual != nullptr) value = V::Add(value, V::Load(residual + column));
        V::Store(y + column, value);
      } else {
        if (residual != nullptr) value = V::Add(value, V::LoadPartial(residual + column, columns));
        V::StorePartial(y + column, value, columns);
      }
    }
  }
}

// One output: every row is a dot product over partial sums of a fixed number of lanes.
template <class V>
void DotRows(const WindowProduct<typename V::Element>& p, int64_t row_begin, int64_t row_end) {
  using T = typename V::Element;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const T* x = WindowOf(p, row);
    const T* w = p.packed;
    typename V::Type sum = V::Zero();
    T rest = p.bias[0];
    for (int64_t segment = 0; segment < p.segments; ++segment, x += p.segment_stride) {
      int64_t c = 0;
      for (; c + V::kWidth <= p.segment_length; c += V::kWidth) {
        sum = V::MultiplyAdd(V::Load(x + c), V::Load(w + c), sum);
      }
      for (; c < p.segment_length; ++c) rest = Fused(x[c], w[c], rest);
      w += p.segment_length;
    }
    T lanes[V::kWidth];
    V::Store(lanes, sum);
    for (int lane = 0; lane < V::kWidth; ++lane) rest += lanes[lane];
    if (p.residual != nullptr) rest += p.residual[OutputOffset(p, row, p.residual_stream_stride)];
    p.y[OutputOffset(p, row, p.y_stream_stride)] = rest;
  }
}

template <typename T>
using TileFunction = void (*)(const WindowProduct<T>&, int64_t row, int64_t panel);

// The tiles of one vector type, by number of rows: Traits gives kMaxRows and Panels(rows).
template <class V, class Traits>
struct TileTable {
  using T = typename V::Element;
  TileFunction<T> wide[Traits::kMaxRows + 1] = {};  // Traits::Panels(rows) panels
  TileFunction<T> one[Traits::kMaxRows + 1] = {};   // one panel

  constexpr TileTable() { Fill<Traits::kMaxRows>(); }

 private:
  template <int kRows>
  constexpr void Fill() {
    wide[kRows] = &Tile<V, kRows, Traits::Panels(kRows)>;
    one[kRows] = &Tile<V, kRows, 1>;
    if constexpr (kRows > 1) Fill<kRows - 1>();
  }
};

template <class V, class Traits, class DotV>
void Product(const WindowProduct<typename V::Element>& p, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end) {
  static constexpr TileTable<V, Traits> kTiles;
  if (p.outputs == 1) return DotRows<DotV>(p, row_begin, row_end);
  for (int64_t block = row_begin; block < row_end; block += kRowBlock) {
    const int64_t rows = (row_end - block < kRowBlock) ? row_end - block : kRowBlock;
    // As even as can be: a tile of one row would leave the multipliers idle.
    const int64_t tiles = (rows + Traits::kMaxRows - 1) / Traits::kMaxRows;
    const int64_t step = Traits::Panels(static_cast<int>((rows + tiles - 1) / tiles));
    for (int64_t panel = panel_begin; panel < panel_end;) {
      const int64_t group = (panel_end - panel >= step) ? step : 1;
      int64_t row = block;
      for (int64_t tile = 0; tile < tiles; ++tile) {
        const int64_t size = rows / tiles + (tile < rows % tiles ? 1 : 0);
        if (group == Traits::Panels(static_cast<int>(size))) {
          kTiles.wide[size](p, row, panel);
        } else {
          for (int64_t i = 0; i < group; ++i) kTiles.one[size](p, row, panel + i);
        }
        row += size;
      }
      panel += group;
    }
  }
}

template <class V>
void Snake(const typename V::Element* x, typename V::Element* y, int64_t rows, int64_t channels,
           const typename V::Element* alpha, const typename V::Element* inverse) {
  for (int64_t row = 0; row < rows; ++row, x += channels, y += channels) {
    int64_t c = 0;
    for (; c + V::kWidth <= channels; c += V::kWidth) {
      const auto value = V::Load(x + c);
      const auto square = V::SinSquared(V::Multiply(V::Load(alpha + c), value));
      V::Store(y + c, V::MultiplyAdd(square, V::Load(inverse + c), value));
    }
    if (const int64_t left = channels - c; left > 0) {
      const auto value = V::LoadPartial(x + c, left);
      const auto square = V::SinSquared(V::Multiply(V::LoadPartial(alpha + c, left), value));
      V::StorePartial(y + c, V::MultiplyAdd(square, V::LoadPartial(inverse + c, left), value),
                      left);
    }
  }
}

// sin^2 has period pi: y is reduced to r in [-pi/2, pi/2] and no sign has to be kept. Beyond
// kLargestReduced the reduction loses its digits; such arguments go one by one through ReduceLarge.
constexpr float kInversePi = 0.318309886f;
constexpr float kPi[3] = {0x1.921fb6p+1f, -0x1.777a5cp-24f, -0x1.ee59dap-49f};  // high to low part
// Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
constexpr float kRounder = 12582912.0f;
constexpr float kLargestReduced = 4.0e6f;
// sin(r) = r + r^3 P(r^2), a minimax fit of degree 9 with error 5e-9.
constexpr float kSine[4] = {-0x1.555548p-3f, 0x1.110e6ap-7f, -0x1.9f5ff4p-13f, 0x1.5cf934p-19f};

template <class V>
typename V::Type SinSquaredReduced(typename V::Type y) {
  const auto rounder = V::Set(kRounder);
  const auto n = V::Subtract(V::MultiplyAdd(y, V::Set(kInversePi), rounder), rounder);
  auto r = V::NegativeMultiplyAdd(n, V::Set(kPi[0]), y);
  r = V::NegativeMultiplyAdd(n, V::Set(kPi[1]), r);
  r = V::NegativeMultiplyAdd(n, V::Set(kPi[2]), r);
  const auto z = V::Multiply(r, r);
  auto poly = V::MultiplyAdd(V::Set(kSine[3]), z, V::Set(kSine[2]));
  poly = V::MultiplyAdd(poly, z, V::Set(kSine[1]));
  poly = V::MultiplyAdd(poly, z, V::Set(kSine[0]));
  const auto sine = V::MultiplyAdd(V::Multiply(r, z), poly, r);
  return V::Multiply(sine, sine);
}

}  // namespace
}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_TILES_H_
