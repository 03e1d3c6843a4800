// The command-line client against the real processes, as a user would type it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

using ::testing::HasSubstr;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest()
      : checkpoint_(MadeCheckpoint({"--seed=61"})),
        deployment_({.checkpoint = checkpoint_, .flags = {}}) {
    deployment_.StartAll();
  }

  int Shoal(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), std::string(SHOAL_BINARY_DIR) + "/shoal");
    arguments.push_back("--server=" + deployment_.front_address());
    Process process({.command = arguments,
                     .environment = {},
                     .log_file = NewFile("log"),
                     .output_file = NewFile("out"),
                     .input_file = input});
    const int status = process.Wait(std::chrono::seconds(60));
    error_ = process.Log();
    output_ = ReadFile(Path("out"));
    return status;
  }

  std::string Path(const std::string& name) const { return deployment_.folder() + "/" + name; }

  std::string NewFile(const std::string& name) {
    std::ofstream(Path(name), std::ios::trunc);
    return Path(name);
  }

  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(NewFile(name), std::ios::binary) << content;
    return Path(name);
  }

  std::string checkpoint_;
  Deployment deployment_;
  std::string error_, output_;
};

TEST_F(ClientTest, SaysATextToAWavFile) {
  ASSERT_EQ(Shoal({"say", "Hello.", "-o", Path("a.wav"), "--seed=5", "--max-frames=10"}), 0)
      << error_;
  const std::string wav = ReadFile(Path("a.wav"));
  ASSERT_GT(wav.size(), 44u);
  EXPECT_EQ(wav.substr(0, 4), "RIFF");
  uint32_t riff_size, data_size;
  std::memcpy(&riff_size, wav.data() + 4, 4);
  std::memcpy(&data_size, wav.data() + 40, 4);
  EXPECT_EQ(riff_size, wav.size() - 8);
  EXPECT_EQ(data_size, wav.size() - 44);
  EXPECT_THAT(error_, HasSubstr("RTF"));

  // The file holds what the service sends.
  const auto stub = Connect(deployment_.front_address());
  tts::v1::SynthesisConfig config;
  config.mutable_sampling()->set_seed(5);
  config.mutable_sampling()->set_max_frames(10);
  EXPECT_EQ(wav.substr(44), Speak(*stub, config, {"Hello."}).audio);
}

TEST_F(ClientTest, SaysWhatComesFromStandardInput) {
  const std::string text = Write("text", "From a pipe.\nTwo lines.\n");
  ASSERT_EQ(Shoal({"say", "-o", Path("b.wav"), "--seed=5", "--max-frames=10"}, text), 0) << error_;
  EXPECT_GT(ReadFile(Path("b.wav")).size(), 44u);
}

TEST_F(ClientTest, SpeaksInTheVoiceOfARecording) {
  const std::string reference = Write("reference.wav", ToneWav(checkpoint_, 0.5));
  const std::vector<std::string> say = {"say", "Hello.", "--seed=5", "--max-frames=10", "-o"};
  auto plain = say, cloned = say;
  plain.push_back(Path("plain.wav"));
  cloned.insert(cloned.end(),
                {Path("cloned.wav"), "--reference=" + reference, "--transcript=A tone."});
  ASSERT_EQ(Shoal(plain), 0) << error_;
  ASSERT_EQ(Shoal(cloned), 0) << error_;
  EXPECT_NE(ReadFile(Path("plain.wav")), ReadFile(Path("cloned.wav")));
}

TEST_F(ClientTest, ARefusalIsPrintedWithItsField) {
  EXPECT_EQ(Shoal({"say", "Hello.", "-o", Path("c.wav"), "--temperature=-1"}), 1);
  EXPECT_THAT(error_, HasSubstr("temperature"));
  EXPECT_EQ(Shoal({"say", "Hello.", "-o", Path("c.wav"), "--reference=/does/not/exist"}), 2);
  EXPECT_THAT(error_, HasSubstr("/does/not/exist"));
}

TEST_F(ClientTest, TellsHealthAndInfo) {
  EXPECT_EQ(Shoal({"health"}), 0) << error_;
  EXPECT_THAT(output_ + error_, HasSubstr("SERVING"));
  EXPECT_EQ(Shoal({"info"}), 0) << error_;
  EXPECT_THAT(output_ + error_, HasSubstr("tiny"));
}

}  // namespace
}  // namespace shoal::testing
