// The tile loop shared by the kernels of packed_kernels.h, over a vector type `Isa` that each of
// them defines in its own unnamed namespace (so that no two sources share an instantiation).
//
// Isa: Vector, kLanes, kMaxRows, Panels(rows) and the operations used below.
#ifndef SHOAL_COMMON_MODEL_PACKED_TILE_H_
#define SHOAL_COMMON_MODEL_PACKED_TILE_H_

#include "common/model/packed_kernels.h"

namespace shoal::model {

// Bytes that a panel's weights are asked for ahead of their use, where several rows slow the loop
// down so much that the machine's own prefetching falls behind (measured: 2 KiB beats 1 and 4).
inline constexpr int64_t kPrefetchBytes = 2048;
// Bytes of x that stay in the second-level cache while all panels pass by.
inline constexpr int64_t kRowBytes = 256 << 10;

// Rows [row, row + kRows) of panels [panel, panel + kPanels): accumulators stay in registers while
// the loop goes once over the input features.
template <class Isa, bool kBf16, int kRows, int kPanels>
void MultiplyTile(const PackedProduct& p, int64_t row, int64_t panel) {
  using Vector = typename Isa::Vector;
  constexpr int kParts = kPanelWidth / Isa::kLanes;  // vectors a panel is wide
  constexpr int kVectors = kPanels * kParts;
  const int64_t stride = PanelBytes(kBf16, p.in) / 4;  // floats or words
  const float* base = static_cast<const float*>(p.panels) + panel * stride;
  const float* x = p.x + row * p.in;

  Vector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Isa::Zero();
  }
  const auto add = [&](const Vector(&w)[kVectors], int64_t k) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vector broadcast = Isa::Broadcast(x + r * p.in + k);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) sum[r][v] = Isa::MultiplyAdd(broadcast, w[v], sum[r][v]);
    }
  };
  const auto prefetch = [&](int64_t line) __attribute__((always_inline)) {
    if constexpr (kRows > 1) {
#pragma GCC unroll 16
      for (int panel_ahead = 0; panel_ahead < kPanels; ++panel_ahead) {
        __builtin_prefetch(base + panel_ahead * stride + line * kPanelWidth + kPrefetchBytes / 4);
      }
    }
  };
  Vector w[kVectors];
  if constexpr (kBf16) {
    const auto load = [&](int64_t pair, int v) __attribute__((always_inline)) {
      return Isa::Load(base + (v / kParts) * stride + pair * kPanelWidth +
                       v % kParts * Isa::kLanes);
    };
    for (int64_t pair = 0; pair < p.in / 2; ++pair) {
      prefetch(pair);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) w[v] = Isa::LowHalf(load(pair, v));
      add(w, 2 * pair);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) w[v] = Isa::HighHalf(load(pair, v));
      add(w, 2 * pair + 1);
    }
    if (p.in % 2 != 0) {
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) w[v] = Isa::LowHalf(load(p.in / 2, v));
      add(w, p.in - 1);
    }
  } else {
    for (int64_t k = 0; k < p.in; ++k) {
      prefetch(k);
#pragma GCC unroll 16
      for (int v = 0; v < kVectors; ++v) {
        w[v] = Isa::Load(base + (v / kParts) * stride + k * kPanelWidth + v % kParts * Isa::kLanes);
      }
      add(w, k);
    }
  }

#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    const int64_t column = panel * kPanelWidth + v * Isa::kLanes;
    const int64_t left = p.out - column;
    if (left <= 0) break;
    const auto mask = Isa::Mask(left);
    const Vector bias = p.bias != nullptr ? Isa::LoadMasked(p.bias + column, mask) : Isa::Zero();
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = (row + r) * p.out + column;
      Vector y = sum[r][v];
      if (p.bias != nullptr) y = Isa::Add(y, bias);
      if (p.residual != nullptr) y = Isa::Add(y, Isa::LoadMasked(p.residual + at, mask));
      Isa::StoreMasked(p.y + at, mask, y);
    }
  }
}

// All rows, in blocks of `rows` at first and of what is left at the end.
template <class Isa, bool kBf16, int kRows, int kPanels>
void MultiplyRows(const PackedProduct& p, int64_t rows, int64_t first_row, int64_t last_row,
                  int64_t panel) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return MultiplyRows<Isa, kBf16, kRows - 1, kPanels>(p, rows, first_row, last_row, panel);
    }
  }
  int64_t row = first_row;
  for (; row + kRows <= last_row; row += kRows) {
    MultiplyTile<Isa, kBf16, kRows, kPanels>(p, row, panel);
  }
  if constexpr (kRows > 1) {
    if (row < last_row) {
      MultiplyRows<Isa, kBf16, kRows - 1, kPanels>(p, last_row - row, row, last_row, panel);
    }
  }
}

// Rows [first, last) of panels [begin, end), kPanels at a time; returns the first panel left over.
template <class Isa, bool kBf16, int kMaxRows, int kPanels>
int64_t MultiplyGroups(const PackedProduct& p, int64_t rows, int64_t first, int64_t last,
                       int64_t begin, int64_t end) {
  int64_t panel = begin;
  for (; panel + kPanels <= end; panel += kPanels) {
    MultiplyRows<Isa, kBf16, kMaxRows, kPanels>(p, rows, first, last, panel);
  }
  return panel;
}

// Rows [first, last) of panels [begin, end). The fewer rows a tile has, the more panels it takes
// side by side to keep enough independent sums in flight.
template <class Isa, bool kBf16>
void MultiplyBlock(const PackedProduct& p, int64_t first, int64_t last, int64_t begin,
                   int64_t end) {
  // Equal tiles: 13 rows are 7 + 6 rather than 12 + 1.
  const int64_t tiles = (last - first + Isa::kMaxRows - 1) / Isa::kMaxRows;
  const int64_t rows = (last - first + tiles - 1) / tiles;
  int64_t panel = begin;
  if (rows == 1) {
    panel = MultiplyGroups<Isa, kBf16, 1, Isa::kPanelsForOneRow>(p, rows, first, last, panel, end);
  }
  if (rows <= Isa::kFewRows) {
    panel = MultiplyGroups<Isa, kBf16, Isa::kFewRows, Isa::kPanelsForFewRows>(p, rows, first, last,
                                                                              panel, end);
  }
  panel = MultiplyGroups<Isa, kBf16, Isa::kMaxRows, Isa::kPanelsForManyRows>(p, rows, first, last,
                                                                             panel, end);
  if constexpr (Isa::kPanelsForManyRows > 1) {
    MultiplyGroups<Isa, kBf16, Isa::kMaxRows, 1>(p, rows, first, last, panel, end);
  }
}

template <class Isa, bool kBf16>
void MultiplyPanels(const PackedProduct& p, int64_t begin, int64_t end) {
  int64_t tiles = kRowBytes / (4 * Isa::kMaxRows * (p.in + 1));
  if (tiles < 1) tiles = 1;
  const int64_t rows = tiles * Isa::kMaxRows;
  for (int64_t first = 0; first < p.rows; first += rows) {
    const int64_t last = first + rows < p.rows ? first + rows : p.rows;
    MultiplyBlock<Isa, kBf16>(p, first, last, begin, end);
  }
}

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_PACKED_TILE_H_
