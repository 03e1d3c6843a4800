// A checkpoint that names its own sampling is spoken with it, and a request still has the last
// word.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/expected_speech.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

constexpr char kText[] = "Said as the checkpoint likes it.";

tts::v1::SynthesisConfig Config() {
  tts::v1::SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  config.mutable_sampling()->set_seed(8);
  config.mutable_sampling()->set_max_frames(24);
  return config;
}

class CheckpointSamplingTest : public ::testing::Test {
 protected:
  // The folder is this program's own.
  CheckpointSamplingTest() : checkpoint_(MadeCheckpoint({"--seed=71", "--shards=1"})) {
    std::ofstream(checkpoint_ + "/generation_config.json") << R"({
        "do_sample": true, "temperature": 1.4, "top_p": 0.98, "top_k": 9, "repetition_penalty": 1.3,
        "shoal": {"max_frames": 12, "residual_sampling": "greedy", "filter_order": "full_softmax",
                  "ras": {"rule": "window", "window": 3, "temperature": 2.5}}})";
  }

  // As the reference model has it; the samples.
  std::vector<float> SpeakAsExpected(const Deployment& deployment,
                                     const tts::v1::SynthesisConfig& config) {
    const auto stub = Connect(deployment.front_address());
    const Speech speech = Speak(*stub, config, {kText});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
    const ExpectedSpeech expected = ExpectSpeech(checkpoint_, config, kText);
    EXPECT_EQ(speech.done.turns_size(), 1);
    EXPECT_EQ(speech.done.turns(0).frames(), expected.frames[0]);
    std::vector<float> samples = speech.Float32();
    EXPECT_EQ(samples.size(), expected.samples.size());
    for (size_t i = 0; i < std::min(samples.size(), expected.samples.size()); ++i) {
      if (std::abs(samples[i] - expected.samples[i]) > 2e-4) {
        ADD_FAILURE() << "sample " << i << ": " << samples[i] << ", not " << expected.samples[i];
        break;
      }
    }
    return samples;
  }

  const std::string checkpoint_;
};

TEST_F(CheckpointSamplingTest, OpenParametersAreTheCheckpointsGivenOnesTheRequests) {
  Deployment deployment({.checkpoint = checkpoint_, .flags = {}});
  deployment.StartAll();
  const std::vector<float> own = SpeakAsExpected(deployment, Config());

  tts::v1::SynthesisConfig documented = Config();
  tts::v1::SamplingConfig& sampling = *documented.mutable_sampling();
  sampling.set_temperature(0.8f);
  sampling.set_top_p(0.8f);
  sampling.set_top_k(30);
  sampling.set_repetition_penalty(1.1f);
  sampling.set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  sampling.set_filter_order(tts::v1::FILTER_TOP_K_FIRST);
  sampling.mutable_ras()->set_rule(tts::v1::RepetitionAwareSampling::AUTHORS);
  EXPECT_NE(SpeakAsExpected(deployment, documented), own);

  // The checkpoint's limit of frames, where a request has none.
  tts::v1::SynthesisConfig endless = Config();
  endless.mutable_sampling()->clear_max_frames();
  const Speech speech = Speak(*Connect(deployment.front_address()), endless, {kText});
  ASSERT_TRUE(speech.status.ok()) << speech.status.error_message();
  ASSERT_EQ(speech.done.turns_size(), 1);
  EXPECT_EQ(speech.done.turns(0).frames(), 12u);
}

TEST_F(CheckpointSamplingTest, AFileThatIsWrongIsNamedAtTheStart) {
  std::ofstream(checkpoint_ + "/generation_config.json") << R"({"shoal": {"temperature": 0.5}})";
  Deployment deployment({.checkpoint = checkpoint_, .flags = {}});
  deployment.Start(StageName::kPreprocess);
  Process& front = deployment.process(StageName::kPreprocess);
  EXPECT_EQ(front.Wait(std::chrono::seconds(60)), 2);
  EXPECT_NE(front.Log().find("generation_config.json: shoal has the key \"temperature\""),
            std::string::npos)
      << front.Log();
}

}  // namespace
}  // namespace shoal::testing
