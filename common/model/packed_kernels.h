// The inner loops of PackedMatrix, one per instruction set, and the layout that they read.
//
// A panel holds kPanelWidth outputs. In float32 a panel is (in, 16) floats. In bf16 it is
// (ceil(in / 2), 16) words of 32 bits: the weight of input 2p in the low half, that of 2p + 1 in
// the high half (0 beyond the last input). Outputs beyond the last one are zero. Panels follow each
// other. All kernels give the same bits.
//
// This header and the kernels' sources stay free of the standard library's inline functions: a copy
// compiled for wider vectors must never be the one that the linker keeps for the whole program.
#ifndef SHOAL_COMMON_MODEL_PACKED_KERNELS_H_
#define SHOAL_COMMON_MODEL_PACKED_KERNELS_H_

#include <stdint.h>

namespace shoal::model {

inline constexpr int64_t kPanelWidth = 16;

struct PackedProduct {
  const void* panels;
  bool bf16;
  int64_t in;
  int64_t out;
  const float* x;  // (rows, in)
  int64_t rows;
  const float* bias;      // (out) or null
  const float* residual;  // (rows, out) or null
  float* y;               // (rows, out); may be residual
};

// Bytes of one panel.
constexpr int64_t PanelBytes(bool bf16, int64_t in) {
  return (bf16 ? (in + 1) / 2 : in) * kPanelWidth * 4;
}

// Computes the outputs of panels [begin, end).
void MultiplyPanelsAvx2(const PackedProduct& product, int64_t begin, int64_t end);
void MultiplyPanelsAvx512(const PackedProduct& product, int64_t begin, int64_t end);

// True when this machine and its system can run MultiplyPanelsAvx512.
bool HasAvx512();

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_PACKED_KERNELS_H_
