#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "common/checkpoint/model_config.h"
#include "common/model/rope.h"
#include "tests/support/golden.h"

namespace shoal::model {
namespace {

void ExpectTable(const char* name, const checkpoint::TransformerConfig& config) {
  const testing::GoldenFile file("slow_ar/rope.safetensors");
  const std::vector<int64_t> shape = file.Shape(name);
  std::vector<float> values = file.F32(name);
  const at::Tensor golden = at::from_blob(values.data(), shape);
  EXPECT_TRUE(at::equal(RopeTable(shape[0], config.head_dim, config.rope_base), golden)) << name;
}

TEST(RopeGoldenTest, TablesAreExact) {
  const auto config = checkpoint::LoadModelConfig(testing::GoldenCheckpoint());
  ASSERT_TRUE(config.ok()) << config.status();
  ExpectTable("slow", config->text);
  ExpectTable("fast", config->audio);
}

}  // namespace
}  // namespace shoal::model
