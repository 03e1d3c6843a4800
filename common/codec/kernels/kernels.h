// The codec's inner loops on the CPU: products of sliding windows with packed weights, and Snake.
//
// Every output element is one chain of fused multiply-adds in a fixed order, so a result depends on
// nothing but its own window: neither on how rows are tiled, split over steps, batched or shared
// among threads, nor on the width of the vector unit. That is what makes decoding bit-equal however
// frames are split. Pure functions over raw pointers, callable from any thread; no heavy header may
// be included here, since one of the sources is compiled for a wider instruction set.
#ifndef SHOAL_COMMON_CODEC_KERNELS_KERNELS_H_
#define SHOAL_COMMON_CODEC_KERNELS_KERNELS_H_

#include <cstdint>

namespace shoal::codec {

// Outputs are packed in panels of this many, element k of all of them side by side.
inline constexpr int64_t kPanel = 16;

// y[row] = bias + window(row) W^T (then Snake of it, or + residual[row]) for rows of several
// streams. A window is `segments` runs of `segment_length` elements each, `segment_stride` apart.
template <typename T>
struct WindowProduct {
  const T* x;  // first window of the first stream
  int64_t streams;
  int64_t rows;             // of every stream
  int64_t x_stream_stride;  // elements from one stream's first window to the next one's
  int64_t x_row_stride;     // elements from one window to the next
  int64_t segments;
  int64_t segment_length;
  int64_t segment_stride;
  const T* packed;  // (panels, segments * segment_length, kPanel); one output: (window)
  const T* bias;    // (panels * kPanel)
  int64_t outputs;
  T* y;  // (streams, rows, outputs), rows contiguous
  int64_t y_stream_stride;
  const T* residual;  // like y, may be y, or null; REQUIRES: not with a Snake
  int64_t residual_stream_stride;
  const T* alpha;    // of a Snake, (outputs), or null
  const T* inverse;  // as of Kernels::snake

  // Always inlined: no copy of them may be linked from the source for the wider unit.
  [[gnu::always_inline]] int64_t window() const { return segments * segment_length; }
  [[gnu::always_inline]] int64_t panels() const { return (outputs + kPanel - 1) / kPanel; }
};

template <typename T>
struct Kernels {
  // Rows [row_begin, row_end) of streams * rows, panels [panel_begin, panel_end).
  void (*product)(const WindowProduct<T>& p, int64_t row_begin, int64_t row_end,
                  int64_t panel_begin, int64_t panel_end);
  // y = x + sin^2(alpha x) * inverse, x and y (rows, channels), alpha and inverse (channels).
  void (*snake)(const T* x, T* y, int64_t rows, int64_t channels, const T* alpha, const T* inverse);
};

enum class VectorUnit { kAvx2, kAvx512 };

// The widest unit that this machine has.
VectorUnit BestVectorUnit();
// REQUIRES: the machine has the unit. T is float or double.
template <typename T>
const Kernels<T>& KernelsFor(VectorUnit unit);

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_KERNELS_H_
