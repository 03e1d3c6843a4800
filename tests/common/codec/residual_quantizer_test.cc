#include "common/codec/residual_quantizer.h"

#include <ATen/ATen.h>

#include <random>

#include "gtest/gtest.h"
#include "tests/common/codec/random_codec.h"
#include "tests/common/codec/reference_codec.h"

namespace shoal::codec {
namespace {

at::Tensor Random(std::mt19937& random, std::vector<int64_t> shape) {
  at::Tensor values = at::empty(shape, at::kDouble);
  std::normal_distribution<double> normal;
  for (int64_t i = 0; i < values.numel(); ++i)
    values.mutable_data_ptr<double>()[i] = normal(random);
  return values;
}

TEST(ResidualQuantizerTest, CodesAreTheNearestEntriesStageByStage) {
  std::mt19937 random(1);
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
    const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, seed);
    WeightReader reader(checkpoint.codec_weights(), at::kDouble);
    const ResidualQuantizer quantizer(reader, "quantizer", config.quantizer,
                                      model::ProductMode::kDeterministic);
    ASSERT_TRUE(reader.status().ok()) << reader.status();
    const at::Tensor z = Random(random, {50, config.latent_dim});
    const testing::ReferenceCodec reference(checkpoint.codec_weights(), config);
    EXPECT_TRUE(quantizer.Encode(z).t().equal(reference.Quantize(z.t())));
  }
}

TEST(ResidualQuantizerTest, EqualEntriesGiveTheLowestCode) {
  const at::Tensor entries = at::tensor({1.0, 0.0, 0.0, 2.0, 0.0, 4.0, 3.0, 0.0}).view({4, 2});
  const checkpoint::TensorStore store = testing::StoreOf({
      {"q.in_proj.weight_g", at::ones({2, 1, 1})},
      {"q.in_proj.weight_v", at::eye(2).unsqueeze(2)},
      {"q.in_proj.bias", at::zeros({2})},
      {"q.out_proj.weight_g", at::ones({2, 1, 1})},
      {"q.out_proj.weight_v", at::eye(2).unsqueeze(2)},
      {"q.out_proj.bias", at::zeros({2})},
      {"q.codebook.weight", entries},
  });
  WeightReader reader(store, at::kFloat);
  const VectorQuantizer quantizer(reader, "q", 2, 2, 4, model::ProductMode::kDeterministic);
  ASSERT_TRUE(reader.status().ok()) << reader.status();
  // Entries 0 and 3, and 1 and 2, point the same way; they are looked up unnormalised.
  const at::Tensor x = at::tensor({5.0f, 0.1f, 0.1f, 7.0f}).view({2, 2});
  const at::Tensor codes = quantizer.Nearest(quantizer.Project(x));
  EXPECT_TRUE(codes.equal(at::tensor({0, 1}, at::kLong)));
  EXPECT_TRUE(quantizer.Decode(at::tensor({2, 3}, at::kLong))
                  .equal(at::tensor({0.0f, 4.0f, 3.0f, 0.0f}).view({2, 2})));
}

TEST(ResidualQuantizerTest, CodesOutsideTheirCodebookAreClampedAndCounted) {
  std::mt19937 random(2);
  const checkpoint::CodecConfig config = testing::RandomCodecConfig(random);
  const checkpoint::Checkpoint checkpoint = testing::RandomCodec(config, 1);
  WeightReader reader(checkpoint.codec_weights(), at::kFloat);
  const ResidualQuantizer quantizer(reader, "quantizer", config.quantizer,
                                    model::ProductMode::kDeterministic);
  const int64_t codebooks = quantizer.num_codebooks();
  at::Tensor codes = at::zeros({3, codebooks}, at::kInt);
  at::Tensor inside = codes.clone();
  codes[0][0] = -5;
  codes[2][0] = config.quantizer.semantic_codebook_size;
  inside[2][0] = config.quantizer.semantic_codebook_size - 1;
  codes[2][codebooks - 1] = std::numeric_limits<int32_t>::max();
  inside[2][codebooks - 1] = config.quantizer.residual_codebook_size - 1;
  std::vector<int64_t> clamped(3, 10);
  const at::Tensor decoded = quantizer.Decode(codes, &clamped);
  EXPECT_EQ(clamped, (std::vector<int64_t>{11, 10, 12}));
  clamped.assign(3, 0);
  EXPECT_TRUE(decoded.equal(quantizer.Decode(inside.to(at::kLong), &clamped)));
  EXPECT_EQ(clamped, (std::vector<int64_t>{0, 0, 0}));
}

}  // namespace
}  // namespace shoal::codec
