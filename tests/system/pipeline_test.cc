// The whole pipeline, three real processes, against the reference model: the same text, voice and
// seed give the same codes and the same samples, on checkpoints of different sizes and layouts.

#include <gtest/gtest.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/golden.h"
#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/expected_speech.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

// Options of make-tiny; none = the golden checkpoint.
using Variant = std::vector<std::string>;

// All tests of a variant speak to one deployment, as clients do.
class PipelineTest : public ::testing::TestWithParam<Variant> {
 protected:
  static void TearDownTestSuite() { deployment_.reset(); }

  void SetUp() override {
    checkpoint_ = GetParam().empty() ? GoldenCheckpoint() : MadeCheckpoint(GetParam());
    if (!deployment_) {
      deployment_ =
          std::make_unique<Deployment>(Deployment::Options{.checkpoint = checkpoint_, .flags = {}});
      deployment_->StartAll();
    }
    stub_ = Connect(deployment_->front_address());
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << deployment_->Logs();
  }

  void ExpectSameSpeech(const tts::v1::SynthesisConfig& config, const std::string& text) {
    const Speech speech = Speak(*stub_, config, {text});
    ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
    const ExpectedSpeech expected = ExpectSpeech(checkpoint_, config, text);
    ASSERT_EQ(speech.done.turns_size(), static_cast<int>(expected.frames.size()));
    for (size_t turn = 0; turn < expected.frames.size(); ++turn) {
      EXPECT_EQ(speech.done.turns(turn).frames(), expected.frames[turn]) << "turn " << turn;
    }
    const auto samples = speech.Float32();
    ASSERT_EQ(samples.size(), expected.samples.size());
    for (size_t i = 0; i < samples.size(); ++i) {
      ASSERT_NEAR(samples[i], expected.samples[i], 2e-4) << "sample " << i;
    }
  }

  tts::v1::SynthesisConfig Config(uint64_t seed, uint32_t max_frames) const {
    tts::v1::SynthesisConfig config;
    config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
    config.mutable_sampling()->set_seed(seed);
    config.mutable_sampling()->set_max_frames(max_frames);
    return config;
  }

  static inline std::unique_ptr<Deployment> deployment_;
  std::string checkpoint_;
  std::unique_ptr<tts::v1::TextToSpeechService::Stub> stub_;
};

TEST_P(PipelineTest, GreedySpeechEqualsTheReferenceModel) {
  auto config = Config(0, 24);
  config.mutable_sampling()->set_temperature(0);
  config.mutable_sampling()->set_repetition_penalty(1);
  config.mutable_sampling()->set_residual_sampling(tts::v1::RESIDUAL_GREEDY);
  config.mutable_sampling()->mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::OFF);
  ExpectSameSpeech(config, "The quick brown fox.");
}

TEST_P(PipelineTest, SampledSpeechEqualsTheReferenceModel) {
  for (const uint64_t seed : {1u, 2u}) ExpectSameSpeech(Config(seed, 16), "Hello there, world!");
}

TEST_P(PipelineTest, WindowRuleAndSampledResidualsEqualTheReferenceModel) {
  auto config = Config(3, 16);
  config.mutable_sampling()->set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  config.mutable_sampling()->set_filter_order(tts::v1::FILTER_FULL_SOFTMAX);
  config.mutable_sampling()->mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::WINDOW);
  ExpectSameSpeech(config, "Numbers: 1, 2, 3.");
}

TEST_P(PipelineTest, ClonedVoiceEqualsTheReferenceModel) {
  auto config = Config(4, 12);
  auto* reference = config.add_references();
  reference->set_audio(ToneWav(checkpoint_, 0.4));
  reference->set_transcript("A tone.");
  ExpectSameSpeech(config, "In another voice.");
}

TEST_P(PipelineTest, LaterTurnsSeeEarlierOnes) {
  auto config = Config(5, 6);
  config.set_chunk_length(100);
  std::string text;
  for (int i = 0; i < 6; ++i) text += "This sentence is one of several that make up two turns. ";
  ExpectSameSpeech(config, text);
}

// A suite each, so that only one deployment runs at a time.
#define SHOAL_PIPELINE_VARIANT(name, ...) \
  INSTANTIATE_TEST_SUITE_P(name, PipelineTest, ::testing::Values(Variant{__VA_ARGS__}))
SHOAL_PIPELINE_VARIANT(Golden);
SHOAL_PIPELINE_VARIANT(UntiedOneShard, "--seed=11", "--untied", "--shards=1", "--codebooks=4");
SHOAL_PIPELINE_VARIANT(ProjectIn, "--seed=12", "--project-in", "--rates=3,5", "--shards=1");
SHOAL_PIPELINE_VARIANT(FastQkNorm, "--seed=13", "--fast-qk-norm", "--untied", "--project-in",
                       "--codebooks=4", "--rates=3,5");
#undef SHOAL_PIPELINE_VARIANT

}  // namespace
}  // namespace shoal::testing
