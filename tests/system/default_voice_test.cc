// The default voice on the real processes: whatever it is told to say, it speaks as long as speech
// takes and ends by itself. What can be understood of it is measured by tools/voice/measure.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"

namespace shoal::testing {
namespace {

std::vector<std::string> HeldOutSentences() {
  std::ifstream file(std::string(SHOAL_SOURCE_DIR) + "/tools/voice/held_out.txt");
  std::vector<std::string> sentences;
  for (std::string line; std::getline(file, line);) sentences.push_back(line);
  return sentences;
}

class DefaultVoiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    deployment_ = std::make_unique<Deployment>(Deployment::Options{
        .checkpoint = std::string(SHOAL_SOURCE_DIR) + "/models/default", .flags = {}});
    deployment_->StartAll();
  }
  static void TearDownTestSuite() { deployment_.reset(); }
  void SetUp() override { stub_ = Connect(deployment_->front_address()); }

  // Speaks with the voice's own sampling, and expects it to end by itself with nothing to complain
  // of. -> seconds of audio.
  double Say(const std::string& text, uint64_t seed) {
    tts::v1::SynthesisConfig config;
    config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
    config.mutable_sampling()->set_seed(seed);
    const Speech speech = Speak(*stub_, config, {text});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
    EXPECT_TRUE(speech.warnings.empty()) << speech.warnings.front() << ": " << text;
    for (const auto& turn : speech.done.turns()) {
      EXPECT_EQ(turn.finish_reason(), tts::v1::FINISH_STOP) << text;
    }
    return static_cast<double>(speech.Float32().size()) / speech.started.sample_rate_hz();
  }

  static inline std::unique_ptr<Deployment> deployment_;
  std::unique_ptr<tts::v1::TextToSpeechService::Stub> stub_;
};

// English is read at 12 to 20 characters a second; pauses and short words leave room.
TEST_F(DefaultVoiceTest, SpeaksAsLongAsSpeechTakes) {
  const std::vector<std::string> sentences = HeldOutSentences();
  ASSERT_GE(sentences.size(), 60u);
  for (const std::string& sentence : sentences) {
    const double seconds = Say(sentence, 1);
    const double characters = static_cast<double>(sentence.size());
    EXPECT_GT(seconds, characters / 30) << sentence;
    EXPECT_LT(seconds, characters / 8 + 1) << sentence;
  }
}

TEST_F(DefaultVoiceTest, EndsAfterASingleWord) {
  for (const char* word : {"Yes.", "No!", "Hello.", "Seven.", "Why?"}) {
    EXPECT_LT(Say(word, 2), 3) << word;
  }
}

TEST_F(DefaultVoiceTest, ReadsAParagraphInSeveralTurns) {
  std::string text;
  for (int i = 0; i < 8; ++i) {
    text += "The train to the coast leaves at a quarter past nine. We will be there by noon. ";
  }
  const double characters = static_cast<double>(text.size());
  const double seconds = Say(text, 3);
  EXPECT_GT(seconds, characters / 30);
  EXPECT_LT(seconds, characters / 8);
}

}  // namespace
}  // namespace shoal::testing
