// Rotary position embedding on adjacent pairs (2i, 2i + 1).
//
// The table of cos and sin is computed in float32 and rounded to bf16 whatever type the model
// computes in, because the weights were trained with such a table; the rotation itself runs in
// float32 (float64 when x is float64). Free functions without state.
#ifndef SHOAL_COMMON_MODEL_ROPE_H_
#define SHOAL_COMMON_MODEL_ROPE_H_

#include <ATen/ATen.h>

#include <cstdint>

namespace shoal::model {

// Rows of positions 0 .. positions-1: (positions, head_dim/2, 2) float32 that holds bf16-rounded
// (cos, sin). head_dim is even.
at::Tensor RopeTable(int64_t positions, int64_t head_dim, double base);

// Rows of positions start .. start+n-1; equal to those rows of RopeTable.
at::Tensor RopeRows(int64_t start, int64_t n, int64_t head_dim, double base);

// Rotates every head of row i by table_rows[i].
// x: (n, heads, head_dim), table_rows: (n, head_dim/2, 2) float32 -> a new tensor like x.
at::Tensor ApplyRope(const at::Tensor& x, const at::Tensor& table_rows);

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_ROPE_H_
