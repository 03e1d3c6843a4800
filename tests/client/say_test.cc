// The commands against a whole front in this process, with files for the standard streams.

#include "client/say.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "client/server_commands.h"
#include "common/audio/recording.h"
#include "common/audio/sample_format.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front_fixture.h"

namespace shoal::client {
namespace {

using ::shoal::testing::ExpectedAudio;
using ::shoal::testing::FakeEngine;
using ::shoal::testing::FrontFixture;
using ::testing::HasSubstr;

class SayTest : public ::testing::Test {
 protected:
  SayTest() {
    options_.server = front_.server().address();
    console_.output = std::tmpfile();
    console_.error = std::tmpfile();
  }
  ~SayTest() override {
    std::fclose(console_.output);
    std::fclose(console_.error);
  }

  static std::string Content(std::FILE* file) {
    std::string content(static_cast<size_t>(std::ftell(file)), '\0');
    std::rewind(file);
    EXPECT_EQ(std::fread(content.data(), 1, content.size(), file), content.size());
    return content;
  }
  std::string Output() { return Content(console_.output); }
  std::string Error() { return Content(console_.error); }

  FrontFixture front_;
  SayOptions options_;
  Console console_;
};

std::string Linear16(const std::vector<float>& samples) {
  std::string bytes;
  audio::AppendInt16(samples, &bytes);
  return bytes;
}

TEST_F(SayTest, WritesRawSamplesToItsOutput) {
  options_.text = "Hello.";
  EXPECT_EQ(Say(options_, console_), kOk) << Error();
  EXPECT_EQ(Output(), Linear16(ExpectedAudio(1, 3)));
  EXPECT_THAT(Error(), ::testing::MatchesRegex(
                           "0.06 s of audio, RTF [0-9.]+, first audio after [0-9]+ ms, 1 turn, "
                           "seed [0-9]+\n"));
}

TEST_F(SayTest, WritesAWavFile) {
  options_.text = "Hello.";
  options_.output = ::testing::TempDir() + "/shoal_say_test.wav";
  EXPECT_EQ(Say(options_, console_), kOk) << Error();
  EXPECT_THAT(Error(), HasSubstr("-> " + options_.output));
  std::ifstream file(options_.output, std::ios::binary);
  const std::string wav(std::istreambuf_iterator<char>(file), {});
  const absl::StatusOr<audio::Recording> recording = audio::DecodeRecording(wav, {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->samples, ExpectedAudio(1, 3));
}

TEST_F(SayTest, SpeaksItsInputAsItArrives) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  console_.input = ends[0];
  options_.config.set_chunk_length(100);
  int code = -1;
  std::thread say([&] { code = Say(options_, console_); });
  const std::string first = std::string(98, 'a') + ". And more.";
  ASSERT_EQ(write(ends[1], first.data(), first.size()), static_cast<ssize_t>(first.size()));
  EXPECT_TRUE(front_.engine().AwaitRequests(1));  // while the input is still open
  close(ends[1]);
  say.join();
  close(ends[0]);
  EXPECT_EQ(code, kOk) << Error();
  EXPECT_EQ(Output(), Linear16(ExpectedAudio(2, 3)));
  EXPECT_THAT(Error(), HasSubstr("2 turns"));
}

TEST_F(SayTest, PrintsWhyTheServerRefused) {
  options_.text = "Hello.";
  options_.config.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(Say(options_, console_), kRefused);
  EXPECT_THAT(Error(), HasSubstr("INVALID_ARGUMENT (INVALID_FIELD)"));
  EXPECT_THAT(Error(), HasSubstr("\n  config.sampling.temperature: -1 is out of range"));
}

TEST_F(SayTest, ARefusalEndsTheWaitForInput) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  console_.input = ends[0];
  options_.config.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(Say(options_, console_), kRefused);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SayTest, TellsHowLongToWait) {
  front_.engine().Kill();
  ASSERT_TRUE(front_.AwaitHealth("shoal.tts.v1.TextToSpeechService",
                                 grpc::health::v1::HealthCheckResponse::NOT_SERVING));
  options_.text = "Hello.";
  EXPECT_EQ(Say(options_, console_), kRefused);
  EXPECT_THAT(Error(), HasSubstr("UNAVAILABLE (NO_ENGINE)"));
  EXPECT_THAT(Error(), HasSubstr("try again in 1 s"));
}

TEST_F(SayTest, AServerThatIsNotThereIsNamed) {
  options_.server = "127.0.0.1:1";
  options_.text = "Hello.";
  EXPECT_EQ(Say(options_, console_), kRefused);
  EXPECT_THAT(Error(), HasSubstr("127.0.0.1:1: UNAVAILABLE"));
}

TEST_F(SayTest, AFileThatCannotBeWrittenIsBadUsage) {
  options_.text = "Hello.";
  options_.output = "/nowhere/out.wav";
  EXPECT_EQ(Say(options_, console_), kBadUsage);
  EXPECT_THAT(Error(), HasSubstr("/nowhere/out.wav"));
  EXPECT_TRUE(front_.vocoder().AwaitCancelled(front_.engine().requests().size()));
}

TEST_F(SayTest, WarningsArePrinted) {
  options_.text = "Hello.";
  options_.config.add_references()->set_audio(
      shoal::testing::MakeRecording(0x010002, 1, 24000, std::vector<float>(24000, 0.0f)));
  EXPECT_EQ(Say(options_, console_), kOk) << Error();
  EXPECT_THAT(Error(), HasSubstr("warning: REFERENCE_QUIET: config.references[0].audio"));
}

TEST_F(SayTest, HealthAndInfo) {
  EXPECT_EQ(Health(options_.server, console_), kOk);
  EXPECT_EQ(Output(), "SERVING\n");
  EXPECT_EQ(Info(options_.server, console_), kOk);
  EXPECT_THAT(Output(), HasSubstr("model                  fake\n"));
  EXPECT_THAT(Output(), HasSubstr("frame_rate_hz          50\n"));
  front_.vocoder().Kill();
  ASSERT_TRUE(front_.AwaitHealth("shoal.tts.v1.TextToSpeechService",
                                 grpc::health::v1::HealthCheckResponse::NOT_SERVING));
  EXPECT_EQ(Health(options_.server, console_), kRefused);
  EXPECT_THAT(Output(), HasSubstr("NOT_SERVING\n"));
  EXPECT_EQ(Info("127.0.0.1:1", console_), kRefused);
}

}  // namespace
}  // namespace shoal::client
