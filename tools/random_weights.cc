#include "tools/random_weights.h"

#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace shoal::tools {
namespace {

using checkpoint::ExpectedTensor;
using checkpoint::TensorRole;

// Logits of these heads get a deviation of about 2: spread, but far from certain.
constexpr double kLogitDeviation = 2;

double Root(int64_t n) { return std::sqrt(static_cast<double>(n)); }  // exactly rounded (IEEE 754)

// A convolution of a residual unit is nested one block deeper than the others:
// encoder.block.1.block.0.block.1.conv, decoder.model.1.block.2.block.1.conv.
bool IsResidualUnit(absl::string_view name) {
  int depth = 0;
  for (size_t at = 0; (at = name.find(".block.", at)) != absl::string_view::npos; ++at) ++depth;
  return depth == (absl::StartsWith(name, "encoder.") ? 3 : 2);
}

double ProjectionDeviation(const ExpectedTensor& tensor) {
  const std::vector<int64_t>& shape = tensor.shape;
  if (tensor.name == checkpoint::kHeadName || tensor.name == "audio_decoder.output.weight") {
    return kLogitDeviation / Root(shape[1]);
  }
  // A transposed convolution with kernel = stride: (in, out, kernel), one tap an output sample.
  if (absl::StartsWith(tensor.name, "quantizer.upsample.") && shape.size() == 3 && shape[1] > 1) {
    return 1 / Root(shape[0]);
  }
  int64_t inputs = 1;
  for (size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
  return 1 / Root(inputs);
}

// |w| along axis 0. With norm 1 an ordinary convolution keeps the power of what comes in.
double Gain(const ExpectedTensor& tensor, const std::vector<int64_t>& direction,
            int64_t codebooks) {
  const std::string& name = tensor.name;
  if (absl::StrContains(name, ".out_proj.")) return 1 / Root(codebooks);  // their sum has power 1
  if (absl::StartsWith(name, "encoder.block.0.")) return 4;               // speech is quiet
  if (IsResidualUnit(name)) return 0.6;
  const bool transposed = absl::StartsWith(name, "decoder.") &&
                          absl::StrContains(name, ".block.1.conv.") && direction.size() == 3;
  if (transposed) {  // norm of an INPUT channel; an output sample sees two taps of each of them
    return std::sqrt(static_cast<double>(direction[1] * direction[2]) /
                     static_cast<double>(2 * direction[0]));
  }
  const bool to_samples = absl::StartsWith(name, "decoder.") && tensor.shape[0] == 1;
  return to_samples ? 0.1 : 1;
}

// splitmix64: every seed starts a sequence of its own.
class Bits {
 public:
  explicit Bits(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }

 private:
  uint64_t state_;
};

// FNV-1a.
uint64_t HashName(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

WeightLaw LawOf(const ExpectedTensor& tensor, const std::vector<int64_t>& direction,
                int64_t codebooks) {
  switch (tensor.role) {
    case TensorRole::kEmbedding:
      // The slow model's embeddings are small beside what its layers add, and serve as its head
      // when tied: a token must not mostly predict itself.
      if (tensor.name == "audio_decoder.embeddings.weight") return {0, 1};
      return {0, kLogitDeviation / Root(tensor.shape[1])};
    case TensorRole::kProjection:
      return {0, ProjectionDeviation(tensor)};
    case TensorRole::kBias:
      return {0, 0.02};
    case TensorRole::kNorm:
    case TensorRole::kAlpha:
      return {1, 0.1};
    case TensorRole::kNormGain: {
      const double gain = Gain(tensor, direction, codebooks);
      return {gain, 0.05 * gain};
    }
    case TensorRole::kNormDirection:
    case TensorRole::kCodebook:
      return {0, 1};
    case TensorRole::kLayerScale:
      return {0.1, 0.01};
  }
  return {};
}

std::vector<float> RandomValues(uint64_t seed, const std::string& name, const WeightLaw& law,
                                int64_t count) {
  Bits bits(HashName(name) ^ Bits(seed).Next());
  // The sum of four 16-bit numbers has a deviation of 65536 / sqrt(3).
  const double scale = law.deviation * std::sqrt(3.0) / 65536;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    const uint64_t four = bits.Next();
    const int64_t sum = static_cast<int64_t>((four & 0xffff) + (four >> 16 & 0xffff) +
                                             (four >> 32 & 0xffff) + (four >> 48)) -
                        2 * 65535;
    value = static_cast<float>(law.mean + scale * static_cast<double>(sum));
  }
  return values;
}

}  // namespace shoal::tools
