// The tile loop shared by the kernels of packed_kernels.h, over a vector type `Isa` that each of
// them defines in its own unnamed namespace (so that no two sources share an instantiation).
//
// Isa: Vector, kLanes, kMaxRows, Panels(rows) and the operations used below.
#ifndef SHOAL_COMMON_MODEL_PACKED_TILE_H_
#define SHOAL_COMMON_MODEL_PACKED_TILE_H_

#include "common/model/packed_kernels.h"

namespace shoal::model {

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
  Vector w[kVectors];
  if constexpr (kBf16) {
    const auto load = [&](int64_t pair, int v) __attribute__((always_inline)) {
      return Isa::Load(base + (v / kParts) * stride + pair * kPanelWidth +
                       v % kParts * Isa::kLanes);
    };
    for (int64_t pair = 0; pair < p.in / 2; ++pair) {
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

// Panels [begin, end), kPanels at a time. Tiles of `rows` rows need kPanels panels side by side to
// keep enough independent sums in flight.
template <class Isa, bool kBf16, int kMaxRows, int kPanels>
int64_t MultiplyGroups(const PackedProduct& p, int64_t rows, int64_t begin, int64_t end) {
  int64_t panel = begin;
  for (; panel + kPanels <= end; panel += kPanels) {
    MultiplyRows<Isa, kBf16, kMaxRows, kPanels>(p, rows, 0, p.rows, panel);
  }
  return panel;
}

template <class Isa, bool kBf16>
void MultiplyPanels(const PackedProduct& p, int64_t begin, int64_t end) {
  // Equal blocks of rows: 13 rows are 7 + 6 rather than 12 + 1.
  const int64_t blocks = (p.rows + Isa::kMaxRows - 1) / Isa::kMaxRows;
  const int64_t rows = blocks > 0 ? (p.rows + blocks - 1) / blocks : 0;
  if (rows == 0) return;
  int64_t panel = begin;
  if (rows == 1) {
    panel = MultiplyGroups<Isa, kBf16, 1, Isa::kPanelsForOneRow>(p, rows, panel, end);
  }
  if (rows <= Isa::kFewRows) {
    panel = MultiplyGroups<Isa, kBf16, Isa::kFewRows, Isa::kPanelsForFewRows>(p, rows, panel, end);
  }
  panel = MultiplyGroups<Isa, kBf16, Isa::kMaxRows, Isa::kPanelsForManyRows>(p, rows, panel, end);
  if constexpr (Isa::kPanelsForManyRows > 1) {
    MultiplyGroups<Isa, kBf16, Isa::kMaxRows, 1>(p, rows, panel, end);
  }
}

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_PACKED_TILE_H_
