#include "services/preprocess/model/codec_reference_encoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "common/codec/dac_encoder.h"
#include "tests/common/codec/random_codec.h"

namespace shoal::preprocess {
namespace {

using checkpoint::Checkpoint;
using ::testing::DoubleEq;
using ::testing::ElementsAre;

// A folder that stays: what identifies an encoder is read from it.
class CodecReferenceEncoderTest : public ::testing::Test {
 protected:
  CodecReferenceEncoderTest() { testing::WriteRandomCodec(folder_.path(), config_, 1); }

  Checkpoint Open() const {
    return *Checkpoint::Open(folder_.path(), {.transformer = false, .codec = true});
  }
  std::unique_ptr<CodecReferenceEncoder> Load(const std::string& fingerprint = "weights") const {
    return *CodecReferenceEncoder::Load(Open(), fingerprint, 1);
  }
  std::vector<float> Tone(int64_t frames) const {
    std::vector<float> samples(static_cast<size_t>(frames * config_.frame_length));
    for (size_t i = 0; i < samples.size(); ++i) samples[i] = 0.4f * std::sin(0.05f * i);
    return samples;
  }

  testing::TemporaryFolder folder_;
  checkpoint::CodecConfig config_ = testing::DefaultSizedCodecConfig();
};

TEST_F(CodecReferenceEncoderTest, GivesTheCodecsCodesAndTellsHowFarItIs) {
  const auto encoder = Load();
  EXPECT_EQ(encoder->sample_rate(), config_.sample_rate);
  EXPECT_EQ(encoder->num_codebooks(), config_.num_codebooks());
  const std::vector<float> samples = Tone(80);
  std::vector<double> done;
  const absl::StatusOr<Codes> codes = encoder->Encode(samples, [&](double share) {
    done.push_back(share);
    return true;
  });
  ASSERT_TRUE(codes.ok()) << codes.status();
  EXPECT_THAT(done, ElementsAre(DoubleEq(0.4), DoubleEq(0.8), DoubleEq(1)));
  const auto codec = codec::DacEncoder::Load(Open(), {});
  ASSERT_TRUE(codec.ok());
  const at::Tensor expected = *(*codec)->Encode(at::tensor(samples));
  ASSERT_EQ(codes->frames, 80);
  ASSERT_EQ(codes->values.size(), static_cast<size_t>(expected.numel()));
  const at::Tensor flat = expected.to(at::kInt).contiguous();
  EXPECT_EQ(codes->values, std::vector<int32_t>(flat.data_ptr<int32_t>(),
                                                flat.data_ptr<int32_t>() + flat.numel()));
}

TEST_F(CodecReferenceEncoderTest, StopsAfterTheBlockInWhichItIsTold) {
  int asked = 0;
  const absl::StatusOr<Codes> codes = Load()->Encode(Tone(200), [&](double) {
    ++asked;
    return asked < 2;
  });
  EXPECT_EQ(codes.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 2);
}

TEST_F(CodecReferenceEncoderTest, IsAnotherOneWithOtherWeightsOrSizes) {
  std::set<std::string> identities = {Load()->identity(), Load("other weights")->identity()};
  EXPECT_EQ(Load()->identity(), *identities.find(Load()->identity()));
  // The same tensors at another window are another encoder.
  config_.quantizer_transformer.window_size = 64;
  ASSERT_TRUE(checkpoint::WriteCodecConfig(folder_.path(), config_).ok());
  identities.insert(Load()->identity());
  EXPECT_EQ(identities.size(), 3u);
}

}  // namespace
}  // namespace shoal::preprocess
