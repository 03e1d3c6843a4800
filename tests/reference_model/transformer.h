// One causal transformer block over a whole sequence, as both halves of the Dual-AR and all three
// transformers of the codec use it. No cache: every call computes every position anew.

#ifndef SHOAL_TESTS_REFERENCE_MODEL_TRANSFORMER_H_
#define SHOAL_TESTS_REFERENCE_MODEL_TRANSFORMER_H_

#include <cstdint>
#include <limits>
#include <string>

#include "common/checkpoint/codec_config.h"
#include "common/checkpoint/model_config.h"
#include "tests/reference_model/array.h"

namespace shoal::reference {

// Cos and sin by which a pair of adjacent elements is rotated at a position, rounded to bf16.
struct Rotation {
  double cos, sin;
};
Rotation RotationOf(int64_t position, int64_t pair, int64_t head_dim, double base);

struct BlockShape {
  int64_t dim, n_head, n_kv_head, head_dim, intermediate_size;
  double rope_base, norm_eps;
  bool qk_norm = false, qkv_bias = false, o_bias = false;
  bool layer_scale = false;                              // the codec's blocks scale both branches
  int64_t window = std::numeric_limits<int64_t>::max();  // positions seen, the own one included
};

BlockShape ShapeOf(const checkpoint::TransformerConfig& config);
BlockShape ShapeOf(const checkpoint::CodecTransformerConfig& config);

struct Block {
  BlockShape shape;
  Array wqkv, wqkv_bias, wo, wo_bias, q_norm, k_norm, attention_norm, ffn_norm, w1, w2, w3;
  Array attention_scale, ffn_scale;
};

// `prefix` ends before ".attention", e.g. "text_model.model.layers.0".
Block LoadBlock(const checkpoint::TensorStore& store, const std::string& prefix,
                const BlockShape& shape);

// x (positions from 0, dim) -> the same shape.
Array Forward(const Block& block, const Array& x);

}  // namespace shoal::reference

#endif  // SHOAL_TESTS_REFERENCE_MODEL_TRANSFORMER_H_
