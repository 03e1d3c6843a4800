// A constant matrix, packed once so that y = x W^T is fast for any number of rows and bit-equal in
// each of them.
//
// Every output element is one chain of fused multiply-adds over the input features in ascending
// order, whatever the number of rows, the place of the row, the number of threads and the width of
// the machine's vectors. So a row gives the same bits alone and in any batch, and nothing is
// padded. Weights that bf16 can hold without loss, as those of most checkpoints, are kept in 16
// bits: the sums are those of float32 weights, for half of the memory traffic that bounds small
// batches.
//
// Immutable after construction; any thread may multiply.
#ifndef SHOAL_COMMON_MODEL_PACKED_MATRIX_H_
#define SHOAL_COMMON_MODEL_PACKED_MATRIX_H_

#include <cstddef>
#include <cstdint>

#include "common/model/large_memory.h"

namespace shoal::model {

class PackedMatrix {
 public:
  PackedMatrix() = default;  // empty: (0, 0)
  // weight: (out, in) row-major; not kept.
  PackedMatrix(const float* weight, int64_t out, int64_t in);

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  bool is_bf16() const { return bf16_; }
  size_t bytes() const { return panels_.size(); }

  // y[i] = x[i] W^T, then + bias, then + residual[i], where these are given. Runs on the intra-op
  // threads. x: (rows, in); bias: (out); residual, y: (rows, out) and may be the same.
  void Multiply(const float* x, int64_t rows, const float* bias, const float* residual,
                float* y) const;

 private:
  int64_t out_ = 0;
  int64_t in_ = 0;
  bool bf16_ = false;
  LargeMemory panels_;  // layout: packed_kernels.h
};

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_PACKED_MATRIX_H_
