// The slow and the fast decoder against the reference implementation's arrays.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "services/ar_engine/model/fast_ar.h"
#include "services/ar_engine/model/slow_ar.h"
#include "tests/services/ar_engine/model/tensor_calls.h"
#include "tests/support/golden.h"

namespace shoal::engine {
namespace {

using model::ProductMode;
using testing::GoldenFile;

checkpoint::Checkpoint OpenGolden() {
  auto opened = checkpoint::Checkpoint::Open(testing::GoldenCheckpoint(), {.transformer = true});
  if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
  return *std::move(opened);
}

at::Tensor GoldenFloats(const GoldenFile& file, const std::string& name) {
  std::vector<float> values = file.F32(name);
  return at::from_blob(values.data(), file.Shape(name)).clone();
}

at::Tensor GoldenInts(const GoldenFile& file, const std::string& name) {
  std::vector<int32_t> values = file.I32(name);
  return at::from_blob(values.data(), file.Shape(name), at::TensorOptions(at::kInt)).clone();
}

void ExpectClose(const std::string& path, const at::Tensor& found, const at::Tensor& expected,
                 const std::string& what) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << path << " " << what;
  const double rtol = testing::GoldenTolerance(path, {"float32", "rtol"});
  const double atol = testing::GoldenTolerance(path, {"float32", "atol"});
  EXPECT_TRUE(at::allclose(found, expected, rtol, atol))
      << path << " " << what << ": largest difference "
      << (found - expected).abs().max().item<float>();
}

// One sequence whose blocks stand in reverse order.
RowTensors RowsOf(int64_t from, int64_t n, int64_t total) {
  const at::TensorOptions options(at::kInt);
  return RowTensors{at::arange(from, from + n, options), at::zeros({n}, options),
                    at::arange(BlocksFor(total) - 1, -1, -1, options).unsqueeze(0)};
}

class ModelGoldenTest : public ::testing::TestWithParam<ProductMode> {
 protected:
  ModelGoldenTest()
      : checkpoint_(OpenGolden()),
        slow_(SlowAr::Load(checkpoint_.weights(), config(), GetParam())),
        fast_(FastAr::Load(checkpoint_.weights(), config(), GetParam())) {}

  const checkpoint::ModelConfig& config() const { return checkpoint_.model_config(); }

  // Checks one prompt, prefilled `chunk` positions at a time.
  void CheckPrompt(const std::string& path, int64_t chunk) {
    const GoldenFile file(path);
    const at::Tensor tokens = GoldenInts(file, "token_ids");
    const at::Tensor codes = GoldenInts(file, "codes").t().contiguous();
    const int64_t n = tokens.size(0);
    KvCache cache(config().text, BlocksFor(n));
    std::vector<at::Tensor> embeddings, hidden;
    std::vector<std::vector<at::Tensor>> layers(slow_->transformer().n_layer());
    for (int64_t from = 0; from < n; from += chunk) {
      const int64_t length = std::min(chunk, n - from);
      const RowTensors rows = RowsOf(from, length, n);
      embeddings.push_back(
          Embed(*slow_, tokens.narrow(0, from, length), codes.narrow(0, from, length)));
      Pass pass(slow_->transformer(), embeddings.back());
      for (int64_t i = 0; i < slow_->transformer().n_layer(); ++i) {
        layers[i].push_back(pass.Layer(i, rows.places(), cache));
      }
      hidden.push_back(pass.FinalNorm(length));
    }
    const auto check = [&](const std::string& name, const at::Tensor& found) {
      if (file.Has("float32." + name)) {
        ExpectClose(path, found, GoldenFloats(file, "float32." + name), name);
      }
    };
    check("embedding", at::cat(embeddings));
    for (size_t i = 0; i < layers.size(); ++i) check(absl::StrCat("layer.", i), at::cat(layers[i]));
    check("hidden", at::cat(hidden));
    const at::Tensor last = at::cat(hidden).narrow(0, n - 1, 1);
    ASSERT_TRUE(file.Has("float32.hidden") && file.Has("float32.logits_last")) << path;
    check("logits_last", Logits(*slow_, last)[0]);
  }

  const checkpoint::Checkpoint checkpoint_;
  const absl::StatusOr<SlowAr> slow_;
  const absl::StatusOr<FastAr> fast_;
};

TEST_P(ModelGoldenTest, SlowHiddenStatesAndLogits) {
  ASSERT_TRUE(slow_.ok()) << slow_.status();
  int prompts = 0;
  for (const std::string& path : testing::GoldenFiles("slow_ar/", ".safetensors")) {
    if (!GoldenFile(path).Has("token_ids")) continue;
    ++prompts;
    for (const int64_t chunk : {1 << 20, 100, 17}) CheckPrompt(path, chunk);
  }
  EXPECT_GT(prompts, 0);
}

TEST_P(ModelGoldenTest, FastLogitsAndGreedyCodes) {
  ASSERT_TRUE(fast_.ok()) << fast_.status();
  for (const std::string& path : testing::GoldenFiles("fast_ar/", ".safetensors")) {
    const GoldenFile file(path);
    const at::Tensor hidden = GoldenFloats(file, "hidden");
    const at::Tensor golden_logits = GoldenFloats(file, "float32.logits");
    const at::Tensor golden_codes = GoldenInts(file, "float32.codes");
    FastFrames frames(config());
    std::vector<int32_t> codes = file.I32("semantic_code");
    for (int64_t k = 1; k < config().num_codebooks; ++k) {
      const at::Tensor logits = ResidualLogits(*fast_, k - 1, hidden, codes, frames);
      ExpectClose(path, logits, golden_logits.select(1, k), absl::StrCat("codebook ", k));
      const at::Tensor greedy = logits.argmax(1).to(at::kInt);
      EXPECT_TRUE(at::equal(greedy, golden_codes.select(1, k))) << path << " codebook " << k;
      const at::Tensor given = golden_codes.select(1, k).contiguous();
      codes.assign(given.const_data_ptr<int32_t>(),
                   given.const_data_ptr<int32_t>() + given.size(0));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, ModelGoldenTest,
                         ::testing::Values(ProductMode::kFast, ProductMode::kDeterministic));

}  // namespace
}  // namespace shoal::engine
