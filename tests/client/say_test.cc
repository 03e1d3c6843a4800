// The commands against a whole front in this process, with files for the standard streams.

#include "client/say.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "client/health_command.h"
#include "client/info_command.h"
#include "common/audio/recording.h"
#include "common/audio/sample_format.h"
#include "common/audio/wav_file.h"
#include "tests/client/temporary_file.h"
#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"

namespace shoal::client {
namespace {

using ::shoal::testing::ExpectedAudio;
using ::shoal::testing::FakeEngine;
using ::shoal::testing::FrontFixture;
using ::testing::HasSubstr;

class SayTest : public ::testing::Test {
 protected:
  SayTest() { options_.server = front_.server().address(); }

  int Say() { return client::Say(options_, console_, nullptr); }
  std::string Output() { return output_.Content(); }
  std::string Error() { return error_.Content(); }

  FrontFixture front_;
  SayOptions options_;
  TemporaryFile output_, error_;
  Console console_ = {.output = output_.stream(), .error = error_.stream()};
};

std::string Wav(const std::vector<float>& samples) {
  std::string bytes = audio::WavHeader(shoal::testing::kSampleRate, 2 * samples.size());
  audio::AppendInt16(samples, &bytes);
  return bytes;
}

TEST_F(SayTest, WritesAWavFileToItsOutput) {
  options_.text = "Hello.";
  EXPECT_EQ(Say(), kOk) << Error();
  EXPECT_EQ(Output(), Wav(ExpectedAudio(1, 3)));
  EXPECT_THAT(Error(), ::testing::MatchesRegex(
                           "0.06 s of audio in [0-9.]+ s, RTF [0-9.]+, first audio after "
                           "[0-9]+ ms, seed [0-9]+ -> standard output\n"));
}

TEST_F(SayTest, WritesANamedFile) {
  options_.text = "Hello.";
  options_.output = ::testing::TempDir() + "/shoal_say_test.wav";
  EXPECT_EQ(Say(), kOk) << Error();
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
  std::thread say([&] { code = Say(); });
  const std::string first = std::string(98, 'a') + ". And more.";
  ASSERT_EQ(write(ends[1], first.data(), first.size()), static_cast<ssize_t>(first.size()));
  EXPECT_TRUE(front_.engine().AwaitRequests(1));  // while the input is still open
  close(ends[1]);
  say.join();
  close(ends[0]);
  EXPECT_EQ(code, kOk) << Error();
  EXPECT_EQ(Output(), Wav(ExpectedAudio(2, 3)));
}

TEST_F(SayTest, PrintsWhyTheServerRefused) {
  options_.text = "Hello.";
  options_.config.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(Say(), kRefused);
  EXPECT_THAT(Error(), HasSubstr("INVALID_ARGUMENT: config.sampling.temperature"));
  EXPECT_THAT(Error(), HasSubstr("\n  reason INVALID_FIELD\n"));
  EXPECT_THAT(Error(), HasSubstr("\n  config.sampling.temperature: -1 is out of range"));
}

TEST_F(SayTest, ARefusalEndsTheWaitForInput) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  console_.input = ends[0];
  options_.config.mutable_sampling()->set_temperature(-1);
  EXPECT_EQ(Say(), kRefused);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SayTest, TellsHowLongToWait) {
  front_.engine().Kill();
  ASSERT_TRUE(front_.AwaitHealth("shoal.tts.v1.TextToSpeechService",
                                 grpc::health::v1::HealthCheckResponse::NOT_SERVING));
  options_.text = "Hello.";
  EXPECT_EQ(Say(), kRefused);
  EXPECT_THAT(Error(), HasSubstr("reason NO_ENGINE"));
  EXPECT_THAT(Error(), HasSubstr("try again after 1 s"));
}

TEST_F(SayTest, AServerThatIsNotThereIsNamed) {
  options_.server = "127.0.0.1:1";
  options_.text = "Hello.";
  EXPECT_EQ(Say(), kRefused);
  EXPECT_THAT(Error(), HasSubstr("127.0.0.1:1: UNAVAILABLE"));
}

TEST_F(SayTest, AFileThatCannotBeWrittenIsBadUsage) {
  options_.text = "Hello.";
  options_.output = "/nowhere/out.wav";
  EXPECT_EQ(Say(), kBadUsage);
  EXPECT_THAT(Error(), HasSubstr("/nowhere/out.wav"));
  EXPECT_TRUE(front_.engine().requests().empty());  // found out before the call
}

TEST_F(SayTest, AnOutputThatFailsEndsTheCall) {
  options_.text = "Hello.";
  options_.output = "/dev/full";
  EXPECT_EQ(Say(), kRefused);
  EXPECT_THAT(Error(), HasSubstr("cannot write /dev/full"));
}

TEST_F(SayTest, InputThatIsNotUtf8EndsTheCall) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  console_.input = ends[0];
  ASSERT_EQ(write(ends[1], "Hello\xff", 6), 6);
  EXPECT_EQ(Say(), kBadUsage);  // although the input stays open
  EXPECT_EQ(Error(), "shoal say: the text is not UTF-8: 0xFF at byte 5\n");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(SayTest, WarningsArePrinted) {
  options_.text = "Hello.";
  options_.config.add_references()->set_audio(
      shoal::testing::MakeRecording(0x010002, 1, 24000, std::vector<float>(24000, 0.0f)));
  EXPECT_EQ(Say(), kOk) << Error();
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
  EXPECT_EQ(Health("nowhere", console_), kBadUsage);
  EXPECT_THAT(Error(), HasSubstr("--server"));
  EXPECT_EQ(Info("127.0.0.1:1", console_), kRefused);
}

}  // namespace
}  // namespace shoal::client
