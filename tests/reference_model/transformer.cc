#include "tests/reference_model/transformer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace shoal::reference {
namespace {

// Round to nearest, ties to even: the rotation table is stored in bf16 whatever the weights are.
double RoundToBf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits += 0x7FFF + ((bits >> 16) & 1);
  bits &= 0xFFFF0000;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Rotates one head's vector by its position, on adjacent pairs.
void Rotate(double* head, int64_t head_dim, int64_t position, double base) {
  for (int64_t pair = 0; pair < head_dim / 2; ++pair) {
    const auto [cos, sin] = RotationOf(position, pair, head_dim, base);
    const double a = head[2 * pair];
    const double b = head[2 * pair + 1];
    head[2 * pair] = a * cos - b * sin;
    head[2 * pair + 1] = b * cos + a * sin;
  }
}

void NormaliseHead(double* head, const Array& weight, double eps) {
  const int64_t n = weight.size(0);
  double squares = 0;
  for (int64_t i = 0; i < n; ++i) {
    squares += head[i] * head[i];
  }
  const double scale = 1 / std::sqrt(squares / n + eps);
  for (int64_t i = 0; i < n; ++i) {
    head[i] *= scale * weight.data[i];
  }
}

// Attention of one head of one position over its window; out (head_dim) is overwritten.
void Attend(const Array& qkv, const BlockShape& s, int64_t position, int64_t head, double* out) {
  const int64_t kv_head = head / (s.n_head / s.n_kv_head);
  const double* q = qkv.row(position) + head * s.head_dim;
  const int64_t k_offset = (s.n_head + kv_head) * s.head_dim;
  const int64_t v_offset = (s.n_head + s.n_kv_head + kv_head) * s.head_dim;
  const int64_t first = s.window > position ? 0 : position - s.window + 1;

  std::vector<double> weight(position - first + 1);
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t j = first; j <= position; ++j) {
    double score = 0;
    for (int64_t i = 0; i < s.head_dim; ++i) {
      score += q[i] * qkv.row(j)[k_offset + i];
    }
    weight[j - first] = score / std::sqrt(static_cast<double>(s.head_dim));
    largest = std::max(largest, weight[j - first]);
  }
  double total = 0;
  for (double& w : weight) {
    w = std::exp(w - largest);
    total += w;
  }
  std::fill(out, out + s.head_dim, 0.0);
  for (int64_t j = first; j <= position; ++j) {
    for (int64_t i = 0; i < s.head_dim; ++i) {
      out[i] += weight[j - first] / total * qkv.row(j)[v_offset + i];
    }
  }
}

Array Attention(const Block& block, const Array& x) {
  const BlockShape& s = block.shape;
  Array qkv = MatMulTransposed(x, block.wqkv, block.wqkv_bias);
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t head = 0; head < s.n_head + s.n_kv_head; ++head) {  // queries, then keys
      double* vector = qkv.row(n) + head * s.head_dim;
      if (s.qk_norm) {
        NormaliseHead(vector, head < s.n_head ? block.q_norm : block.k_norm, s.norm_eps);
      }
      Rotate(vector, s.head_dim, n, s.rope_base);
    }
  }
  Array heads({x.size(0), s.n_head * s.head_dim});
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t head = 0; head < s.n_head; ++head) {
      Attend(qkv, s, n, head, heads.row(n) + head * s.head_dim);
    }
  }
  return MatMulTransposed(heads, block.wo, block.wo_bias);
}

Array FeedForward(const Block& block, const Array& x) {
  Array gate = MatMulTransposed(x, block.w1);
  const Array up = MatMulTransposed(x, block.w3);
  for (size_t i = 0; i < gate.data.size(); ++i) {
    gate.data[i] = gate.data[i] / (1 + std::exp(-gate.data[i])) * up.data[i];
  }
  return MatMulTransposed(gate, block.w2);
}

void ScaleChannels(Array& x, const Array& scale) {
  for (int64_t n = 0; n < x.size(0); ++n) {
    for (int64_t i = 0; i < x.size(1); ++i) {
      x.row(n)[i] *= scale.data[i];
    }
  }
}

}  // namespace

// The angle is a float32 product, as training had it.
Rotation RotationOf(int64_t position, int64_t pair, int64_t head_dim, double base) {
  const float exponent = static_cast<float>(2 * pair) / static_cast<float>(head_dim);
  const float frequency = 1.0f / std::pow(static_cast<float>(base), exponent);
  const float angle = static_cast<float>(position) * frequency;
  return {.cos = RoundToBf16(std::cos(angle)), .sin = RoundToBf16(std::sin(angle))};
}

BlockShape ShapeOf(const checkpoint::TransformerConfig& config) {
  return {.dim = config.dim,
          .n_head = config.n_head,
          .n_kv_head = config.n_local_heads,
          .head_dim = config.head_dim,
          .intermediate_size = config.intermediate_size,
          .rope_base = config.rope_base,
          .norm_eps = config.norm_eps,
          .qk_norm = config.attention_qk_norm,
          .qkv_bias = config.attention_qkv_bias,
          .o_bias = config.attention_o_bias};
}

BlockShape ShapeOf(const checkpoint::CodecTransformerConfig& config) {
  return {.dim = config.dim,
          .n_head = config.n_head,
          .n_kv_head = config.n_head,
          .head_dim = config.head_dim,
          .intermediate_size = config.intermediate_size,
          .rope_base = config.rope_base,
          .norm_eps = config.norm_eps,
          .layer_scale = true,
          .window = config.window_size};
}

Block LoadBlock(const checkpoint::TensorStore& store, const std::string& prefix,
                const BlockShape& s) {
  const auto load = [&](const std::string& name, std::vector<int64_t> shape) {
    return Load(store, prefix + name, std::move(shape));
  };
  const int64_t qkv = (s.n_head + 2 * s.n_kv_head) * s.head_dim;
  Block block;
  block.shape = s;
  block.wqkv = load(".attention.wqkv.weight", {qkv, s.dim});
  block.wo = load(".attention.wo.weight", {s.dim, s.n_head * s.head_dim});
  if (s.qkv_bias) block.wqkv_bias = load(".attention.wqkv.bias", {qkv});
  if (s.o_bias) block.wo_bias = load(".attention.wo.bias", {s.dim});
  if (s.qk_norm) {
    block.q_norm = load(".attention.q_norm.weight", {s.head_dim});
    block.k_norm = load(".attention.k_norm.weight", {s.head_dim});
  }
  block.attention_norm = load(".attention_norm.weight", {s.dim});
  block.ffn_norm = load(".ffn_norm.weight", {s.dim});
  block.w1 = load(".feed_forward.w1.weight", {s.intermediate_size, s.dim});
  block.w3 = load(".feed_forward.w3.weight", {s.intermediate_size, s.dim});
  block.w2 = load(".feed_forward.w2.weight", {s.dim, s.intermediate_size});
  if (s.layer_scale) {
    block.attention_scale = load(".attention_layer_scale.gamma", {s.dim});
    block.ffn_scale = load(".ffn_layer_scale.gamma", {s.dim});
  }
  return block;
}

Array Forward(const Block& block, const Array& x) {
  Array attention = Attention(block, RmsNorm(x, block.attention_norm, block.shape.norm_eps));
  if (block.shape.layer_scale) ScaleChannels(attention, block.attention_scale);
  Array h = x;
  AddInPlace(h, attention);
  Array feed_forward = FeedForward(block, RmsNorm(h, block.ffn_norm, block.shape.norm_eps));
  if (block.shape.layer_scale) ScaleChannels(feed_forward, block.ffn_scale);
  AddInPlace(h, feed_forward);
  return h;
}

}  // namespace shoal::reference
