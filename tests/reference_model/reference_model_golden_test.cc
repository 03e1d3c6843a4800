// The reference model is only worth something if it is right: here it meets the published
// implementation's own results.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/reference_model/codec.h"
#include "tests/reference_model/dual_ar.h"
#include "tests/support/golden.h"

namespace shoal::reference {
namespace {

using testing::GoldenCheckpoint;
using testing::GoldenFile;

// codes (num_codebooks, frames) row-major -> codes[frame][codebook].
std::vector<std::vector<int64_t>> ByFrame(const GoldenFile& file, const std::string& name) {
  const auto shape = file.Shape(name);
  const auto values = file.I64(name);
  std::vector<std::vector<int64_t>> codes(shape[1], std::vector<int64_t>(shape[0]));
  for (int64_t k = 0; k < shape[0]; ++k) {
    for (int64_t t = 0; t < shape[1]; ++t) codes[t][k] = values[k * shape[1] + t];
  }
  return codes;
}

Prompt PromptOf(const GoldenFile& file, const std::string& codes_name) {
  return {.token_ids = file.I64("token_ids"), .codes = ByFrame(file, codes_name)};
}

void ExpectNear(const std::vector<double>& actual, const std::vector<float>& expected, double atol,
                double rtol, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], atol + rtol * std::abs(expected[i])) << what << " at " << i;
  }
}

TEST(ReferenceModelGoldenTest, HiddenStatesAndLogits) {
  const DualAr model(GoldenCheckpoint());
  int cases = 0;
  for (const std::string& path : testing::GoldenFiles("slow_ar/", ".safetensors")) {
    const GoldenFile file(path);
    if (!file.Has("token_ids")) continue;
    ++cases;
    const double atol = testing::GoldenTolerance(path, {"float32", "atol"});
    const double rtol = testing::GoldenTolerance(path, {"float32", "rtol"});
    const Array hidden = model.Hidden(PromptOf(file, "codes"));
    ExpectNear(hidden.data, file.F32("float32.hidden"), atol, rtol, path);
    ExpectNear(model.SemanticLogits(hidden.row(hidden.size(0) - 1)),
               file.F32("float32.logits_last"), atol, rtol, path);
  }
  EXPECT_GT(cases, 0);
}

TEST(ReferenceModelGoldenTest, ResidualLogits) {
  const DualAr model(GoldenCheckpoint());
  const std::string path = "fast_ar/fast.safetensors";
  const GoldenFile file(path);
  const double atol = testing::GoldenTolerance(path, {"float32", "atol"});
  const double rtol = testing::GoldenTolerance(path, {"float32", "rtol"});
  const auto shape = file.Shape("float32.logits");  // (frame, codebook, entry)
  const auto expected = file.F32("float32.logits");
  const auto codes = file.I64("float32.codes");
  const auto hidden = file.F32("hidden");
  const int64_t dim = file.Shape("hidden")[1];
  for (int64_t n = 0; n < shape[0]; ++n) {
    const std::vector<double> h(hidden.begin() + n * dim, hidden.begin() + (n + 1) * dim);
    for (int64_t k = 1; k < shape[1]; ++k) {
      const auto* row = codes.data() + n * shape[1];
      const auto* logits = expected.data() + (n * shape[1] + k) * shape[2];
      ExpectNear(model.ResidualLogits(h.data(), {row, row + k}), {logits, logits + shape[2]}, atol,
                 rtol, "codebook " + std::to_string(k));
    }
  }
}

TEST(ReferenceModelGoldenTest, GreedyGeneration) {
  const DualAr model(GoldenCheckpoint());
  const auto greedy = [](const std::vector<double>& logits, int64_t, int64_t,
                         const std::vector<int64_t>&) { return DualAr::Greedy(logits); };
  int cases = 0;
  for (const std::string& path : testing::GoldenFiles("generate/", ".safetensors")) {
    const GoldenFile file(path);
    if (!file.Has("prompt_codes")) continue;
    ++cases;
    const auto expected = ByFrame(file, "codes");
    // A case that ends by itself has one semantic token more than frames: the end token.
    const int64_t drawn = file.I64("semantic_token").size();
    EXPECT_EQ(model.Generate(PromptOf(file, "prompt_codes"), drawn, greedy), expected) << path;
  }
  EXPECT_GT(cases, 0);
}

TEST(ReferenceModelGoldenTest, CodecDecodesCodes) {
  const Codec codec(GoldenCheckpoint());
  int cases = 0;
  for (const std::string& path : testing::GoldenFiles("codec/", ".safetensors")) {
    const GoldenFile file(path);
    if (!file.Has("waveform")) continue;
    ++cases;
    const double atol = testing::GoldenTolerance(path, {"waveform", "atol"});
    const auto samples = codec.Decode(ByFrame(file, "codes"));
    ExpectNear({samples.begin(), samples.end()}, file.F32("waveform"), atol, 0, path);
  }
  EXPECT_GT(cases, 0);
}

TEST(ReferenceModelGoldenTest, CodecEncodesSamples) {
  const Codec codec(GoldenCheckpoint());
  const GoldenFile file("codec/stages.safetensors");
  EXPECT_EQ(codec.Encode(file.F32("samples")), ByFrame(file, "codes"));
}

}  // namespace
}  // namespace shoal::reference
