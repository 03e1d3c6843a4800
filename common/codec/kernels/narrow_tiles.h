// Products of few channels: convolutions to as many channels as they come from, fewer than a vector
// has lanes.
//
// Several rows share a vector: with C channels, lane r * C + o is output o of the r-th row, and the
// inputs of one tap of all these rows lie side by side as well. Every lane runs the chain of
// multiply-adds that tiles.h runs for its output, so the results are the same bits.
//
// V beyond tiles.h: Repeat<C>(p), the C elements at p over and over; Spread<C>(x, c), element c of
// every C lanes in all of them; kNarrowVectors, vectors worked on at a time.
#ifndef SHOAL_COMMON_CODEC_KERNELS_NARROW_TILES_H_
#define SHOAL_COMMON_CODEC_KERNELS_NARROW_TILES_H_

#include "common/codec/kernels/tiles.h"

namespace shoal::codec {
namespace {

// Whether consecutive rows lie side by side, inputs and outputs alike.
template <typename T>
bool IsNarrow(const WindowProduct<T>& p, int64_t channels) {
  return p.outputs == channels && p.x_row_stride == channels && p.segment_length % channels == 0;
}

// kCount vectors of rows, the last one of `lanes` lanes. x, residual and y: the first row's.
template <class V, int kChannels, int kCount>
[[gnu::always_inline]] inline void NarrowTile(const WindowProduct<float>& p, const float* x,
                                              const float* residual, float* y, int64_t lanes) {
  typename V::Type sum[kCount];
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) sum[i] = V::template Repeat<kChannels>(p.bias);
  const float* w = p.packed;
  const auto load = [&](const float* from, int i) __attribute__((always_inline)) {
    from += i * V::kWidth;
    return i + 1 == kCount && lanes < V::kWidth ? V::LoadPartial(from, lanes) : V::Load(from);
  };
  for (int64_t segment = 0; segment < p.segments; ++segment) {
    const float* begin = x + segment * p.segment_stride;
    for (int64_t tap = 0; tap < p.segment_length; tap += kChannels, w += kChannels * kPanel) {
      typename V::Type input[kCount];
#pragma GCC unroll 16
      for (int i = 0; i < kCount; ++i) input[i] = load(begin + tap, i);
#pragma GCC unroll 16
      for (int c = 0; c < kChannels; ++c) {
        const auto weight = V::template Repeat<kChannels>(w + c * kPanel);
#pragma GCC unroll 16
        for (int i = 0; i < kCount; ++i) {
          sum[i] = V::MultiplyAdd(V::template Spread<kChannels>(input[i], c), weight, sum[i]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kCount; ++i) {
    if (p.alpha != nullptr) {
      sum[i] = SnakeOf<V>(sum[i], V::template Repeat<kChannels>(p.alpha),
                          V::template Repeat<kChannels>(p.inverse));
    } else if (p.residual != nullptr) {
      sum[i] = V::Add(sum[i], load(residual, i));
    }
    if (i + 1 == kCount && lanes < V::kWidth) {
      V::StorePartial(y + i * V::kWidth, sum[i], lanes);
    } else {
      V::Store(y + i * V::kWidth, sum[i]);
    }
  }
}

// Rows [row_begin, row_end) of a product with IsNarrow(p, kChannels).
template <class V, int kChannels>
void NarrowProduct(const WindowProduct<float>& p, int64_t row_begin, int64_t row_end) {
  constexpr int64_t kRows = V::kWidth / kChannels;
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t stream = row / p.rows;
    const int64_t first = row % p.rows;
    const int64_t end = (row_end - row < p.rows - first) ? first + row_end - row : p.rows;
    row += end - first;
    const float* x = p.x + stream * p.x_stream_stride;
    const float* residual = p.residual + stream * p.residual_stream_stride;
    float* y = p.y + stream * p.y_stream_stride;
    int64_t t = first;
    const auto at = [&](const float* rows) { return rows + t * kChannels; };
    for (; t + kRows * V::kNarrowVectors <= end; t += kRows * V::kNarrowVectors) {
      NarrowTile<V, kChannels, V::kNarrowVectors>(p, at(x), p.residual ? at(residual) : nullptr,
                                                  y + t * kChannels, V::kWidth);
    }
    for (; t < end; t += kRows) {
      const int64_t lanes = (end - t < kRows) ? (end - t) * kChannels : V::kWidth;
      NarrowTile<V, kChannels, 1>(p, at(x), p.residual ? at(residual) : nullptr, y + t * kChannels,
                                  lanes);
    }
  }
}

// Product() of tiles.h, with narrow products done here.
template <class V, class Traits, class DotV>
void FloatProduct(const WindowProduct<float>& p, int64_t row_begin, int64_t row_end,
                  int64_t panel_begin, int64_t panel_end) {
  if (panel_begin == 0 && panel_end == 1) {
    if (IsNarrow(p, 8)) return NarrowProduct<V, 8>(p, row_begin, row_end);
    if (IsNarrow(p, 4)) return NarrowProduct<V, 4>(p, row_begin, row_end);
    if (IsNarrow(p, 2)) return NarrowProduct<V, 2>(p, row_begin, row_end);
  }
  Product<V, Traits, DotV>(p, row_begin, row_end, panel_begin, panel_end);
}

}  // namespace
}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_NARROW_TILES_H_
