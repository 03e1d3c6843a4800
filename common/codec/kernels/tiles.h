// The products as templates over a vector type. Each source that includes this compiles its own
// copy for its instruction set, so everything is in an unnamed namespace and only kernels.h is
// shared.
//
// A vector type V has: Element, kWidth, Zero, Set, Load, LoadPartial, Store, StorePartial, Add,
// Multiply, MultiplyAdd and SinSquared; that of DotRows also Sum; a float one also what snake.h and
// narrow_tiles.h need.
#ifndef SHOAL_COMMON_CODEC_KERNELS_TILES_H_
#define SHOAL_COMMON_CODEC_KERNELS_TILES_H_

#include <cstdint>

#include "common/codec/kernels/kernels.h"
#include "common/codec/kernels/snake.h"

namespace shoal::codec {
namespace {

// Rows that one panel is multiplied with before the next: their windows and the panel fit the
// cache.
constexpr int64_t kRowBlock = 96;

// Where some rows of a product have their windows, results and residuals.
template <typename T>
struct RowPointers {
  const T* x[kRowBlock];
  T* y[kRowBlock];
  const T* residual[kRowBlock];  // unset where the product has none

  RowPointers(const WindowProduct<T>& p, int64_t first, int64_t count) {
    int64_t stream = first / p.rows;
    int64_t row = first % p.rows;
    for (int64_t i = 0; i < count; ++i) {
      x[i] = p.x + stream * p.x_stream_stride + row * p.x_row_stride;
      y[i] = p.y + stream * p.y_stream_stride + row * p.outputs;
      if (p.residual != nullptr) {
        residual[i] = p.residual + stream * p.residual_stream_stride + row * p.outputs;
      }
      if (++row == p.rows) {
        row = 0;
        ++stream;
      }
    }
  }
};

inline float Fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double Fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

// kRows rows from `first` on times kPanels panels, all accumulators in registers.
template <class V, int kRows, int kPanels>
void Tile(const WindowProduct<typename V::Element>& p, const RowPointers<typename V::Element>& rows,
          int64_t first, int64_t panel) {
  using T = typename V::Element;
  constexpr int kVectors = kPanel / V::kWidth;  // of a panel
  const int64_t window = p.window();
  const T* const* x = rows.x + first;
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
    const int64_t begin = segment * p.segment_stride;
    for (int64_t c = begin; c < begin + p.segment_length; ++c) {
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
  const int64_t column = panel * kPanel;
  for (int m = 0; m < kRows; ++m) {
    const T* residual = p.residual == nullptr ? nullptr : rows.residual[first + m] + column;
    T* y = rows.y[first + m] + column;
    for (int v = 0; v < kPanels * kVectors; ++v) {
      const int64_t at = v * V::kWidth;
      const int64_t left = p.outputs - column - at;
      if (left <= 0) break;
      typename V::Type value = sum[m][v];
      if (left >= V::kWidth) {
        if (residual != nullptr) value = V::Add(value, V::Load(residual + at));
        V::Store(y + at, value);
      } else {
        if (residual != nullptr) value = V::Add(value, V::LoadPartial(residual + at, left));
        V::StorePartial(y + at, value, left);
      }
    }
  }
}

// One output: every row is a dot product over partial sums of a fixed number of lanes.
template <class V, int kRows>
void DotTile(const WindowProduct<typename V::Element>& p,
             const RowPointers<typename V::Element>& rows, int64_t first) {
  using T = typename V::Element;
  const T* w = p.packed;
  typename V::Type sum[kRows];
  T rest[kRows];
  for (int m = 0; m < kRows; ++m) {
    sum[m] = V::Zero();
    rest[m] = p.bias[0];
  }
  for (int64_t segment = 0; segment < p.segments; ++segment) {
    const int64_t begin = segment * p.segment_stride;
    int64_t c = 0;
    for (; c + V::kWidth <= p.segment_length; c += V::kWidth) {
      const typename V::Type weight = V::Load(w + c);
      for (int m = 0; m < kRows; ++m) {
        sum[m] = V::MultiplyAdd(V::Load(rows.x[first + m] + begin + c), weight, sum[m]);
      }
    }
    for (; c < p.segment_length; ++c) {
      for (int m = 0; m < kRows; ++m) rest[m] = Fused(rows.x[first + m][begin + c], w[c], rest[m]);
    }
    w += p.segment_length;
  }
  for (int m = 0; m < kRows; ++m) {
    rest[m] += V::Sum(sum[m]);
    if (p.residual != nullptr) rest[m] += rows.residual[first + m][0];
    rows.y[first + m][0] = rest[m];
  }
}

template <class V>
void DotRows(const WindowProduct<typename V::Element>& p,
             const RowPointers<typename V::Element>& rows, int64_t count) {
  int64_t row = 0;
  for (; row + 4 <= count; row += 4) DotTile<V, 4>(p, rows, row);
  for (; row < count; ++row) DotTile<V, 1>(p, rows, row);
}

template <typename T>
using TileFunction = void (*)(const WindowProduct<T>&, const RowPointers<T>&, int64_t first,
                              int64_t panel);

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

// `count` rows times panels [panel_begin, panel_end).
template <class V, class Traits>
void MultiplyBlock(const WindowProduct<typename V::Element>& p,
                   const RowPointers<typename V::Element>& rows, int64_t count, int64_t panel_begin,
                   int64_t panel_end) {
  static constexpr TileTable<V, Traits> kTiles;
  // As even as can be: a tile of one row would leave the multipliers idle.
  const int64_t tiles = (count + Traits::kMaxRows - 1) / Traits::kMaxRows;
  const int64_t step = Traits::Panels(static_cast<int>((count + tiles - 1) / tiles));
  for (int64_t panel = panel_begin; panel < panel_end;) {
    const int64_t group = (panel_end - panel >= step) ? step : 1;
    int64_t row = 0;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t size = count / tiles + (tile < count % tiles ? 1 : 0);
      if (group == Traits::Panels(static_cast<int>(size))) {
        kTiles.wide[size](p, rows, row, panel);
      } else {
        for (int64_t i = 0; i < group; ++i) kTiles.one[size](p, rows, row, panel + i);
      }
      row += size;
    }
    panel += group;
  }
}

// Snake of results while they are in the cache.
template <class V>
void SnakeRows(const WindowProduct<typename V::Element>& p,
               const RowPointers<typename V::Element>& rows, int64_t count, int64_t panel_begin,
               int64_t panel_end) {
  const int64_t begin = panel_begin * kPanel;
  const int64_t end = panel_end * kPanel < p.outputs ? panel_end * kPanel : p.outputs;
  for (int64_t row = 0; row < count; ++row) {
    typename V::Element* y = rows.y[row] + begin;
    Snake<V>(y, y, 1, end - begin, p.alpha + begin, p.inverse + begin);
  }
}

// DotV: the vectors of DotRows, the same for every instruction set.
template <class V, class Traits, class DotV>
void Product(const WindowProduct<typename V::Element>& p, int64_t row_begin, int64_t row_end,
             int64_t panel_begin, int64_t panel_end) {
  for (int64_t row = row_begin; row < row_end; row += kRowBlock) {
    const int64_t count = (row_end - row < kRowBlock) ? row_end - row : kRowBlock;
    const RowPointers<typename V::Element> rows(p, row, count);
    if (p.outputs == 1) {
      DotRows<DotV>(p, rows, count);
    } else {
      MultiplyBlock<V, Traits>(p, rows, count, panel_begin, panel_end);
    }
    if (p.alpha != nullptr) SnakeRows<V>(p, rows, count, panel_begin, panel_end);
  }
}

}  // namespace
}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_TILES_H_
