#include "common/codec/streaming_conv.h"

#include <ATen/ATen.h>

#include <map>
#include <random>
#include <vector>

#include "common/codec/conv_blocks.h"
#include "gtest/gtest.h"
#include "tests/common/codec/random_codec.h"
#include "tests/common/codec/reference_codec.h"

namespace shoal::codec {
namespace {

using testing::Between;
using testing::ReferenceCodec;
using testing::StoreOf;
using Weights = std::map<std::string, at::Tensor>;

at::Tensor Random(std::mt19937& random, std::vector<int64_t> shape) {
  at::Tensor values = at::empty(shape, at::kDouble);
  std::normal_distribution<double> normal;
  double* to = values.mutable_data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) to[i] = normal(random);
  return values;
}

void AddNormed(std::mt19937& random, Weights& weights, const std::string& conv,
               const std::vector<int64_t>& shape, int64_t out) {
  weights[conv + ".parametrizations.weight.original0"] = Random(random, {shape[0], 1, 1});
  weights[conv + ".parametrizations.weight.original1"] = Random(random, shape);
  weights[conv + ".bias"] = Random(random, {out});
}

// Cuts `time` into steps of random sizes, each a multiple of `unit`.
std::vector<int64_t> RandomSteps(std::mt19937& random, int64_t time, int64_t unit) {
  std::vector<int64_t> steps;
  for (int64_t left = time / unit; left > 0; left -= steps.back() / unit) {
    steps.push_back(unit * Between(random, 1, std::min<int64_t>(left, 6)));
  }
  return steps;
}

// Runs `module` over x (streams, time, channels), step by step, on slots 2 and 0 of three.
template <typename Module>
at::Tensor InSteps(const Module& module, const StateLayout& layout, const at::Tensor& x,
                   const std::vector<int64_t>& steps) {
  at::Tensor slab = at::zeros({3, layout.elements()}, x.scalar_type());
  const std::vector<int64_t> slots = {2, 0};
  const Streams streams(slab, slots);
  std::vector<at::Tensor> parts;
  int64_t t = 0;
  for (const int64_t n : steps) {
    parts.push_back(module(streams, x.narrow(1, t, n)));
    t += n;
  }
  EXPECT_EQ(slab[1].count_nonzero().item<int64_t>(), 0) << "a slot not named was written";
  return at::cat(parts, 1);
}

// The whole of x and every split of it give the same bits.
template <typename Module>
at::Tensor ExpectSplitsEqual(std::mt19937& random, const Module& module, const StateLayout& layout,
                             const at::Tensor& x, int64_t unit) {
  const at::Tensor whole = InSteps(module, layout, x, {x.size(1)});
  for (int i = 0; i < 3; ++i) {
    const at::Tensor split = InSteps(module, layout, x, RandomSteps(random, x.size(1), unit));
    EXPECT_TRUE(split.equal(whole));
  }
  return whole;
}

// The same, and that they are `expected` (streams, channels, time).
template <typename Module>
void ExpectStreams(std::mt19937& random, const Module& module, const StateLayout& layout,
                   const at::Tensor& x, int64_t unit, const at::Tensor& expected) {
  const at::Tensor whole = ExpectSplitsEqual(random, module, layout, x, unit).transpose(1, 2);
  ASSERT_EQ(whole.sizes(), expected.sizes());
  EXPECT_LT((whole - expected).abs().max().item<double>(), 1e-10);
}

// The reference over every stream of x (streams, time, channels) -> (streams, channels, time).
template <typename Reference>
at::Tensor EachStream(const at::Tensor& x, const Reference& reference) {
  std::vector<at::Tensor> all;
  for (int64_t i = 0; i < x.size(0); ++i) all.push_back(reference(x[i].t()));
  return at::stack(all);
}

TEST(StreamingConvTest, CausalConvolutionEqualsThePaddedOneHoweverItIsSplit) {
  std::mt19937 random(1);
  for (int i = 0; i < 60; ++i) {
    StreamingConv::Sizes sizes{Between(random, 1, 20), Between(random, 1, 40), 1};
    sizes.stride = Between(random, 0, 1) == 0 ? 1 : Between(random, 1, 5);
    sizes.kernel = Between(random, sizes.stride, 9);
    sizes.dilation = sizes.stride == 1 ? Between(random, 1, 9) : 1;
    const bool normed = i % 2 == 0;
    Weights weights;
    if (normed) {
      AddNormed(random, weights, "m.conv", {sizes.out, sizes.in, sizes.kernel}, sizes.out);
    } else {
      weights["m.conv.weight"] = Random(random, {sizes.out, sizes.in, sizes.kernel});
      weights["m.conv.bias"] = Random(random, {sizes.out});
    }
    const checkpoint::TensorStore store = StoreOf(weights);
    WeightReader reader(store, at::kDouble);
    StateLayout layout(at::kDouble);
    const StreamingConv conv = StreamingConv::Causal(
        reader, "m", sizes, normed ? StreamingConv::Norm::kWeightNorm : StreamingConv::Norm::kPlain,
        layout);
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    EXPECT_EQ(conv.context(), (sizes.kernel - 1) * sizes.dilation + 1 - sizes.stride);
    EXPECT_EQ(layout.elements(), conv.context() * sizes.in);

    const at::Tensor x = Random(random, {2, sizes.stride * Between(random, 1, 30), sizes.in});
    const ReferenceCodec reference(store, {});
    ExpectStreams(random, conv, layout, x, sizes.stride, EachStream(x, [&](const at::Tensor& one) {
                    return reference.Conv("m", one, sizes.dilation, sizes.stride);
                  }));
  }
}

TEST(StreamingConvTest, TransposedConvolutionEqualsTheCutOneHoweverItIsSplit) {
  std::mt19937 random(2);
  for (int i = 0; i < 60; ++i) {
    StreamingConv::Sizes sizes{Between(random, 1, 20), Between(random, 1, 20), 1};
    sizes.stride = Between(random, 1, 6);
    // The codec's kernels are one or two strides; any above a stride must do.
    sizes.kernel = sizes.stride + Between(random, 0, 2 * sizes.stride);
    Weights weights;
    AddNormed(random, weights, "m.conv", {sizes.in, sizes.out, sizes.kernel}, sizes.out);
    const checkpoint::TensorStore store = StoreOf(weights);
    WeightReader reader(store, at::kDouble);
    StateLayout layout(at::kDouble);
    const StreamingConv conv =
        StreamingConv::Transposed(reader, "m", sizes, StreamingConv::Norm::kWeightNorm, layout);
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    const int64_t taps = (sizes.kernel + sizes.stride - 1) / sizes.stride;
    EXPECT_EQ(layout.elements(), (taps - 1) * sizes.in);

    const at::Tensor x = Random(random, {2, Between(random, 1, 30), sizes.in});
    const ReferenceCodec reference(store, {});
    ExpectStreams(random, conv, layout, x, 1, EachStream(x, [&](const at::Tensor& one) {
                    return reference.TransposedConv("m", one, sizes.stride);
                  }));
  }
}

TEST(StreamingConvTest, SnakeAndResidualGoThroughTheConvolution) {
  std::mt19937 random(3);
  const int64_t channels = 6;
  Weights weights = {{"s.alpha", Random(random, {1, channels, 1}).abs() + 0.5}};
  AddNormed(random, weights, "m.conv", {channels, channels, 7}, channels);
  const checkpoint::TensorStore store = StoreOf(weights);
  WeightReader reader(store, at::kDouble);
  StateLayout layout(at::kDouble);
  const Snake snake(reader, "s", channels);
  const StreamingConv conv = StreamingConv::Causal(reader, "m", {channels, channels, 7, 3},
                                                   StreamingConv::Norm::kWeightNorm, layout);
  const at::Tensor x = Random(random, {2, 40, channels});
  const ReferenceCodec reference(store, {});
  const auto module = [&](const Streams& streams, const at::Tensor& part) {
    return conv(streams, part, {.before = &snake, .residual = &part});
  };
  ExpectStreams(random, module, layout, x, 1, EachStream(x, [&](const at::Tensor& one) {
                  return one + reference.Conv("m", reference.Snake("s", one), 3);
                }));
}

TEST(StreamingConvTest, ConvNextEqualsTheWholeSignalHoweverItIsSplit) {
  std::mt19937 random(4);
  for (const int64_t channels : {1, 5, 12, 33}) {
    const Weights weights = {
        {"m.dwconv.conv.weight", Random(random, {channels, 1, 7})},
        {"m.dwconv.conv.bias", Random(random, {channels})},
        {"m.norm.weight", Random(random, {channels})},
        {"m.norm.bias", Random(random, {channels})},
        {"m.pwconv1.weight", Random(random, {4 * channels, channels})},
        {"m.pwconv1.bias", Random(random, {4 * channels})},
        {"m.pwconv2.weight", Random(random, {channels, 4 * channels})},
        {"m.pwconv2.bias", Random(random, {channels})},
        {"m.gamma", Random(random, {channels})},
    };
    const checkpoint::TensorStore store = StoreOf(weights);
    const at::Tensor x = Random(random, {2, 25, channels});
    const ReferenceCodec reference(store, {});
    const at::Tensor expected =
        EachStream(x, [&](const at::Tensor& one) { return reference.ConvNext("m", one); });
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      WeightReader reader(store, dtype);
      StateLayout layout(dtype);
      const ConvNext next(reader, "m", channels, model::ProductMode::kDeterministic, layout);
      ASSERT_TRUE(reader.status().ok()) << reader.status();
      if (dtype == at::kFloat) {
        ExpectSplitsEqual(random, next, layout, x.to(dtype), 1);
        continue;
      }
      for (const auto& steps : {std::vector<int64_t>{25}, RandomSteps(random, 25, 1)}) {
        const at::Tensor found = InSteps(next, layout, x, steps).transpose(1, 2);
        EXPECT_LT((found - expected).abs().max().item<double>(), 1e-10);
      }
    }
  }
}

TEST(StreamingConvTest, ReaderNamesTheTensorOfAnotherShape) {
  const checkpoint::TensorStore store = StoreOf({{"m.alpha", at::zeros({1, 3, 1})}});
  WeightReader reader(store, at::kFloat);
  const Snake snake(reader, "m", 4);
  EXPECT_FALSE(reader.status().ok());
  EXPECT_NE(reader.status().message().find("m.alpha"), absl::string_view::npos);
}

}  // namespace
}  // namespace shoal::codec
