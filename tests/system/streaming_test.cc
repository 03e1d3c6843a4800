// Streaming is real: sound reaches the client while the engine still generates.

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "tests/support/golden.h"
#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

// The engine holds every sequence before it draws frame 5 until a file exists. The client makes
// that file only after it has heard the first sample, so a pipeline that waits for the end never
// ends.
TEST(StreamingTest, TheFirstSampleArrivesBeforeTheFifthFrameIsDrawn) {
  const std::string gate = MakeScratchFolder("shoal-gate") + "/open";
  Deployment deployment(
      {.checkpoint = MadeCheckpoint({"--seed=21"}),
       .flags = {{StageName::kEngine, {"--test-gate-frame=5", "--test-gate-file=" + gate}}}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());

  SpeechCall call(*stub);
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_max_frames(200);
  config.mutable_sampling()->set_seed(1);
  call.Configure(config);
  call.Text("Streaming means that the first sound does not wait for the last.");
  call.EndOfText();

  uint64_t first_sample = 1;
  bool heard = false;
  while (!heard) {
    const auto response = call.Next();
    ASSERT_TRUE(response.has_value()) << call.Finish().error_message();
    if (response->has_audio()) {
      heard = true;
      first_sample = response->audio().first_sample();
      EXPECT_FALSE(response->audio().data().empty());
    }
  }
  EXPECT_EQ(first_sample, 0u);
  EXPECT_LE(deployment.Metric(StageName::kEngine, "shoal_frames_generated_total"), 5);

  std::ofstream(gate) << "open";
  const Speech rest = Drain(call);
  ASSERT_TRUE(rest.status.ok()) << rest.status.error_message();
  ASSERT_EQ(rest.done.turns_size(), 1);
  EXPECT_GT(rest.done.turns(0).frames(), 5u);
}

TEST(StreamingTest, TextMayEndAnywhereBetweenTwoCharacters) {
  Deployment deployment({.checkpoint = MadeCheckpoint({"--seed=21"}), .flags = {}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_max_frames(10);
  config.mutable_sampling()->set_seed(2);
  const Speech whole = Speak(*stub, config, {"Grüße aus Köln. Schön war es dort!"});
  const Speech pieces =
      Speak(*stub, config, {"Gr", "üße aus K", "ö", "ln. Schön", " war es dort!"});
  ASSERT_TRUE(whole.status.ok()) << whole.status.error_message();
  ASSERT_TRUE(pieces.status.ok()) << pieces.status.error_message();
  EXPECT_EQ(whole.audio, pieces.audio);
}

TEST(StreamingTest, FlushSpeaksWhatIsBufferedAndSaysSo) {
  Deployment deployment({.checkpoint = MadeCheckpoint({"--seed=21"}), .flags = {}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  SpeechCall call(*stub);
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_max_frames(8);
  call.Configure(config);
  call.Text("Just half a sentence");
  call.Flush("first");
  bool heard = false;
  for (;;) {
    const auto response = call.Next();
    ASSERT_TRUE(response.has_value()) << call.Finish().error_message();
    heard |= response->has_audio();
    if (response->has_flushed()) {
      EXPECT_EQ(response->flushed().id(), "first");
      break;
    }
  }
  EXPECT_TRUE(heard) << "flushed before the audio of the text before it";
  call.Text(" and the other half.");
  call.EndOfText();
  const Speech rest = Drain(call);
  EXPECT_TRUE(rest.status.ok()) << rest.status.error_message();
  EXPECT_EQ(rest.done.turns_size(), 2);
}

}  // namespace
}  // namespace shoal::testing
