// Starting, stopping and restarting stages in any order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

constexpr StageName kStages[] = {StageName::kPreprocess, StageName::kEngine, StageName::kVocoder};

Speech Say(const Deployment& deployment, uint32_t max_frames = 5) {
  const auto stub = Connect(deployment.front_address());
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_seed(1);
  config.mutable_sampling()->set_max_frames(max_frames);
  return Speak(*stub, config, {"Still here."});
}

TEST(LifecycleTest, AnyStartOrderWorks) {
  const std::string checkpoint = MadeCheckpoint({"--seed=51"});
  std::vector<StageName> order(std::begin(kStages), std::end(kStages));
  std::sort(order.begin(), order.end());
  do {
    Deployment deployment({.checkpoint = checkpoint, .flags = {}});
    for (const StageName stage : order) {
      deployment.Start(stage);
      // The next one starts only when this one lives: the order is real.
      deployment.process(stage).WaitUntil("it is alive", [&] {
        int status = 0;
        deployment.Get(stage, "/health", &status);
        return status == 200;
      });
    }
    deployment.AwaitReady(StageName::kPreprocess);
    const Speech speech = Say(deployment);
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(LifecycleTest, ARestartedStageIsFoundAgain) {
  Deployment deployment({.checkpoint = MadeCheckpoint({"--seed=51"}), .flags = {}});
  deployment.StartAll();
  const std::string before = Say(deployment).audio;
  ASSERT_FALSE(before.empty());
  for (const StageName stage : {StageName::kEngine, StageName::kVocoder}) {
    deployment.Kill(stage);
    Process& front = deployment.process(StageName::kPreprocess);
    front.WaitUntil("it misses the stage", [&] {
      int status = 0;
      deployment.Get(StageName::kPreprocess, "/readyz", &status);
      return status == 503;
    });
    const Speech refused = Say(deployment);
    EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    deployment.Start(stage);
    deployment.AwaitReady(StageName::kPreprocess);
    EXPECT_EQ(Say(deployment).audio, before);
  }
}

TEST(LifecycleTest, TheDeathOfAStageEndsItsStreamsWithAStatus) {
  for (const StageName victim : {StageName::kEngine, StageName::kVocoder}) {
    const std::string gate = MakeScratchFolder("shoal-gate") + "/open";
    Deployment deployment(
        {.checkpoint = MadeCheckpoint({"--seed=51"}),
         .flags = {{StageName::kEngine, {"--test-gate-frame=5", "--test-gate-file=" + gate}}}});
    deployment.StartAll();
    const auto stub = Connect(deployment.front_address());
    SpeechCall call(*stub);
    tts::v1::SynthesisConfig config;
    config.mutable_sampling()->set_max_frames(100);
    call.Configure(config);
    call.Text("This will not end well.");
    call.EndOfText();
    while (const auto response = call.Next()) {
      if (response->has_audio()) break;
    }
    deployment.Kill(victim);
    EXPECT_EQ(Drain(call).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

TEST(LifecycleTest, SigtermLetsRunningStreamsFinish) {
  const std::string gate = MakeScratchFolder("shoal-gate") + "/open";
  Deployment deployment(
      {.checkpoint = MadeCheckpoint({"--seed=51"}),
       .flags = {{StageName::kEngine, {"--test-gate-frame=2", "--test-gate-file=" + gate}}}});
  deployment.StartAll();
  const auto stub = Connect(deployment.front_address());
  SpeechCall call(*stub);
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_max_frames(20);
  config.mutable_sampling()->set_seed(3);
  call.Configure(config);
  call.Text("Let me finish.");
  call.EndOfText();
  while (const auto response = call.Next()) {
    if (response->has_audio()) break;
  }
  Process& front = deployment.process(StageName::kPreprocess);
  front.Signal(SIGTERM);
  front.WaitUntil("it drains", [&] {
    int status = 0;
    deployment.Get(StageName::kPreprocess, "/readyz", &status);
    return status == 503;
  });
  EXPECT_EQ(Say(deployment).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  std::ofstream(gate) << "open";
  const Speech rest = Drain(call);
  EXPECT_TRUE(rest.status.ok()) << rest.status.error_message();
  EXPECT_EQ(front.Wait(), 0) << front.Log();
  for (const StageName stage : {StageName::kEngine, StageName::kVocoder}) {
    deployment.process(stage).Signal(SIGTERM);
    EXPECT_EQ(deployment.process(stage).Wait(), 0) << deployment.process(stage).Log();
  }
}

struct Outcome {
  int status;
  std::string text;
};

Outcome RunBinary(std::vector<std::string> command) {
  const std::string log = MakeScratchFolder("shoal-run") + "/log";
  command[0] = std::string(SHOAL_BINARY_DIR) + "/" + command[0];
  Process process({.command = command,
                   .environment = {},
                   .log_file = log,
                   .output_file = "",
                   .input_file = ""});
  const int status = process.Wait();
  return {status, process.Log()};
}

TEST(LifecycleTest, EveryBinaryExplainsItselfAndRefusesWhatItDoesNotKnow) {
  for (const std::string binary :
       {"shoal-preprocess", "shoal-ar-engine", "shoal-vocoder", "shoal", "shoal-checkpoint"}) {
    const Outcome help = RunBinary({binary, "--help"});
    EXPECT_EQ(help.status, 0) << binary;
    EXPECT_THAT(help.text, ::testing::HasSubstr(binary));
    EXPECT_EQ(RunBinary({binary, "--version"}).status, 0) << binary;
    const Outcome wrong = RunBinary({binary, "--no-such-flag=1"});
    EXPECT_EQ(wrong.status, 2) << binary;
    EXPECT_THAT(wrong.text, ::testing::HasSubstr("no-such-flag")) << binary;
    EXPECT_EQ(std::count(wrong.text.begin(), wrong.text.end(), '\n'), 1) << wrong.text;
  }
}

TEST(LifecycleTest, AnUnusableCheckpointIsRefusedInOneLine) {
  for (const std::string binary : {"shoal-preprocess", "shoal-ar-engine", "shoal-vocoder"}) {
    const Outcome outcome =
        RunBinary({binary, "--checkpoint=/does/not/exist",
                   "--inbox=ipc://" + MakeScratchFolder("shoal-ipc") + "/ipc/x"});
    EXPECT_EQ(outcome.status, 2) << binary << "\n" << outcome.text;
    EXPECT_THAT(outcome.text, ::testing::HasSubstr("/does/not/exist")) << binary;
  }
}

}  // namespace
}  // namespace shoal::testing
