#include "common/codec/codec_transformer.h"

#include <ATen/ATen.h>

#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/common/codec/random_codec.h"
#include "tests/common/codec/reference_codec.h"

namespace shoal::codec {
namespace {

using checkpoint::CodecTransformerConfig;
using testing::Between;
using testing::ReferenceCodec;

at::Tensor Random(std::mt19937& random, std::vector<int64_t> shape, double scale = 1) {
  at::Tensor values = at::empty(shape, at::kDouble);
  std::normal_distribution<double> normal(0, scale);
  double* to = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) to[i] = normal(random);
  return values;
}

CodecTransformerConfig RandomConfig(std::mt19937& random) {
  CodecTransformerConfig config;
  config.dim = Between(random, 1, 30);
  config.n_layer = Between(random, 0, 3);
  config.n_head = Between(random, 1, 3);
  config.head_dim = 2 * Between(random, 1, 20);
  config.intermediate_size = Between(random, 1, 40);
  config.window_size = Between(random, 1, 12);
  config.rope_base = 10000;
  config.norm_eps = 1e-5;
  return config;
}

checkpoint::TensorStore RandomWeights(std::mt19937& random, const CodecTransformerConfig& config,
                                      int64_t width) {
  const int64_t dim = config.dim;
  const int64_t inner = config.n_head * config.head_dim;
  std::map<std::string, at::Tensor> weights = {{"t.norm.weight", Random(random, {dim})}};
  if (width != dim) {
    weights["t.input_proj.weight"] = Random(random, {dim, width});
    weights["t.input_proj.bias"] = Random(random, {dim});
    weights["t.output_proj.weight"] = Random(random, {width, dim});
    weights["t.output_proj.bias"] = Random(random, {width});
  }
  for (int64_t i = 0; i < config.n_layer; ++i) {
    const std::string layer = "t.layers." + std::to_string(i);
    const double scale = 1 / std::sqrt(static_cast<double>(dim));
    weights[layer + ".attention.wqkv.weight"] = Random(random, {3 * inner, dim}, scale);
    weights[layer + ".attention.wo.weight"] = Random(random, {dim, inner}, 0.3);
    weights[layer + ".feed_forward.w1.weight"] =
        Random(random, {config.intermediate_size, dim}, scale);
    weights[layer + ".feed_forward.w3.weight"] =
        Random(random, {config.intermediate_size, dim}, scale);
    weights[layer + ".feed_forward.w2.weight"] =
        Random(random, {dim, config.intermediate_size}, 0.3);
    for (const char* name : {".attention_norm.weight", ".ffn_norm.weight",
                             ".attention_layer_scale.gamma", ".ffn_layer_scale.gamma"}) {
      weights[layer + name] = Random(random, {dim});
    }
  }
  return testing::StoreOf(weights);
}

// Two streams in random steps, the second one beginning `lead` rows before the first, both to the
// end of x (2, time, width).
at::Tensor InRandomSteps(std::mt19937& random, const CodecTransformer& transformer, at::Tensor slab,
                         const at::Tensor& x, int64_t lead) {
  const std::vector<int64_t> both = {1, 0};
  const Streams streams(slab, both);
  const Streams second = streams.Part(1, 1);
  std::vector<at::Tensor> first_parts;
  std::vector<at::Tensor> second_parts;
  if (lead > 0) second_parts.push_back(transformer(second, x.narrow(0, 1, 1).narrow(1, 0, lead)));
  const int64_t together = x.size(1) - lead;
  for (int64_t t = 0; t < together;) {
    const int64_t n = std::min(Between(random, 1, 9), together - t);
    const at::Tensor part = at::stack({x[0].narrow(0, t, n), x[1].narrow(0, lead + t, n)});
    const at::Tensor y = transformer(streams, part);
    first_parts.push_back(y.narrow(0, 0, 1));
    second_parts.push_back(y.narrow(0, 1, 1));
    t += n;
  }
  const Streams first = streams.Part(0, 1);
  if (lead > 0) {
    first_parts.push_back(transformer(first, x.narrow(0, 0, 1).narrow(1, together, lead)));
  }
  EXPECT_EQ(transformer.Position(streams, 0), transformer.Position(streams, 1));
  return at::cat({at::cat(first_parts, 1), at::cat(second_parts, 1)});
}

TEST(CodecTransformerTest, EqualsMaskedAttentionHoweverStepsAreCut) {
  std::mt19937 random(1);
  for (int i = 0; i < 40; ++i) {
    const CodecTransformerConfig config = RandomConfig(random);
    const int64_t width = i % 2 == 0 ? config.dim : Between(random, 1, 30);
    const checkpoint::TensorStore store = RandomWeights(random, config, width);
    const at::Tensor x = Random(random, {2, Between(random, 10, 50), width});
    const ReferenceCodec reference(store, {});
    const at::Tensor expected = at::stack({reference.Transformer("t", x[0].t(), config).t(),
                                           reference.Transformer("t", x[1].t(), config).t()});
    WeightReader reader(store, at::kDouble);
    StateLayout layout(at::kDouble);
    const CodecTransformer transformer(reader, "t", config, width, model::ProductMode::kFast,
                                       layout);
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    EXPECT_EQ(layout.elements(),
              1 + config.n_layer * 2 * (config.window_size - 1) * config.n_head * config.head_dim);
    for (const int64_t lead : {0, 7}) {
      const at::Tensor fresh = at::zeros({2, layout.elements()}, at::kDouble);
      const at::Tensor y = InRandomSteps(random, transformer, fresh, x, lead);
      EXPECT_LT((y - expected).abs().max().item<double>(), 1e-10);
    }
  }
}

TEST(CodecTransformerTest, FloatIsBitEqualHoweverStepsAreCutAndWhateverTheRingHeld) {
  std::mt19937 random(2);
  for (int i = 0; i < 40; ++i) {
    const CodecTransformerConfig config = RandomConfig(random);
    const int64_t width = i % 2 == 0 ? config.dim : Between(random, 1, 30);
    const checkpoint::TensorStore store = RandomWeights(random, config, width);
    WeightReader reader(store, at::kFloat);
    StateLayout layout(at::kFloat);
    const CodecTransformer transformer(reader, "t", config, width,
                                       model::ProductMode::kDeterministic, layout);
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    const at::Tensor x = Random(random, {2, Between(random, 10, 50), width}).to(at::kFloat);
    const at::Tensor fresh = at::zeros({2, layout.elements()});
    const at::Tensor y = InRandomSteps(random, transformer, fresh.clone(), x, 0);
    EXPECT_TRUE(InRandomSteps(random, transformer, fresh.clone(), x, 7).equal(y));
    // What a ring holds of positions that a stream never had does not matter.
    at::Tensor dirty = at::full_like(fresh, NAN);
    dirty.narrow(1, 0, 2).zero_();  // the position
    EXPECT_TRUE(InRandomSteps(random, transformer, dirty, x, 3).equal(y));
  }
}

TEST(CodecTransformerTest, PositionsBeyondTheTableRotateByTheSameFormula) {
  std::mt19937 random(2);
  CodecTransformerConfig config = RandomConfig(random);
  config.n_layer = 2;
  config.head_dim = 16;
  const checkpoint::TensorStore store = RandomWeights(random, config, config.dim);
  WeightReader reader(store, at::kDouble);
  StateLayout layout(at::kDouble);
  const CodecTransformer transformer(reader, "t", config, config.dim,
                                     model::ProductMode::kDeterministic, layout);
  const ReferenceCodec reference(store, {});
  const at::Tensor x = Random(random, {2, 30, config.dim});
  // A stream whose rows before `start` are unknown sees them masked: only rows that have their
  // whole receptive field after the start are compared.
  const int64_t past = config.n_layer * (config.window_size - 1);
  ASSERT_LT(past, x.size(1));
  for (const int64_t start : {4090, 100000}) {
    at::Tensor slab = at::zeros({2, layout.elements()}, at::kDouble);
    const std::vector<int64_t> both = {1, 0};
    for (int64_t i = 0; i < 2; ++i) Streams(slab, both).SetCounter(i, 0, start);
    const at::Tensor y = InRandomSteps(random, transformer, slab, x, 0);
    for (int64_t i = 0; i < 2; ++i) {
      const at::Tensor expected = reference.Transformer("t", x[i].t(), config, start).t();
      const at::Tensor difference = (y[i] - expected).narrow(0, past, x.size(1) - past).abs();
      EXPECT_LT(difference.max().item<double>(), 1e-9) << start;
    }
  }
}

}  // namespace
}  // namespace shoal::codec
