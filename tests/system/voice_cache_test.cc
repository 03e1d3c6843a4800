// Voices that outlive the front that encoded them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

class VoiceCacheTest : public ::testing::Test {
 protected:
  std::string Say(double reference_seconds) {
    const auto stub = Connect(deployment_.front_address());
    tts::v1::SynthesisConfig config;
    config.mutable_sampling()->set_seed(1);
    config.mutable_sampling()->set_max_frames(5);
    config.add_references()->set_audio(ToneWav(checkpoint_, reference_seconds));
    config.mutable_references(0)->set_transcript("A tone.");
    const Speech speech = Speak(*stub, config, {"In this voice."});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
    return speech.audio;
  }
  // What `between` does happens while no front runs.
  template <typename Between>
  void RestartFront(const Between& between) {
    Process& front = deployment_.process(StageName::kPreprocess);
    front.Signal(SIGTERM);
    EXPECT_EQ(front.Wait(), 0) << front.Log();
    between();
    deployment_.Start(StageName::kPreprocess);
    deployment_.AwaitReady(StageName::kPreprocess);
  }
  double Hits(const std::string& tier) {
    return deployment_.Metric(StageName::kPreprocess,
                              "shoal_voice_cache_hits_total{tier=\"" + tier + "\"}");
  }
  double Misses() {
    return deployment_.Metric(StageName::kPreprocess, "shoal_voice_cache_misses_total");
  }

  const std::string checkpoint_ = MadeCheckpoint({"--seed=51"});
  const std::string folder_ = MakeScratchFolder("voices");
  Deployment deployment_{
      {.checkpoint = checkpoint_,
       .flags = {{StageName::kPreprocess,
                  {"--reference-cache-dir=" + folder_, "--reference-cache-mb=1"}}}}};
};

TEST_F(VoiceCacheTest, ARestartedFrontKnowsTheVoice) {
  deployment_.StartAll();
  const std::string before = Say(0.5);
  EXPECT_EQ(Say(0.5), before);
  EXPECT_EQ(Hits("memory"), 1);
  EXPECT_EQ(Misses(), 1);
  RestartFront([] {});
  EXPECT_EQ(Say(0.5), before);
  EXPECT_EQ(Hits("disk"), 1);
  EXPECT_EQ(Misses(), 0);
}

TEST_F(VoiceCacheTest, ADamagedFileIsMovedAsideAndTheVoiceEncodedAnew) {
  deployment_.StartAll();
  const std::string before = Say(0.5);
  const std::string file = folder_ + "/references-1.sqlite3";
  RestartFront([&] {
    ASSERT_TRUE(std::filesystem::exists(file));
    std::ofstream(file, std::ios::binary) << std::string(10000, 'x');
  });
  EXPECT_EQ(Say(0.5), before);
  EXPECT_EQ(Misses(), 1);
  EXPECT_TRUE(std::filesystem::exists(file + ".unusable"));
  EXPECT_THAT(deployment_.process(StageName::kPreprocess).Log(),
              ::testing::HasSubstr("cannot be used"));
}

TEST_F(VoiceCacheTest, AFolderThatCannotBeMadeIsSaidInOneLine) {
  Process front({.command = {std::string(SHOAL_BINARY_DIR) + "/shoal-preprocess",
                             "--checkpoint=" + checkpoint_, "--listen=127.0.0.1:0",
                             "--inbox=ipc://" + folder_ + "/inbox", "--admin-listen=127.0.0.1:0",
                             "--reference-cache-dir=/proc/voices"},
                 .environment = {},
                 .log_file = folder_ + "/front.log",
                 .output_file = "",
                 .input_file = ""});
  EXPECT_EQ(front.Wait(), 2);
  EXPECT_THAT(front.Log(), ::testing::HasSubstr("--reference-cache-dir: /proc/voices"));
}

}  // namespace
}  // namespace shoal::testing
