// Recordings in calls: clients that go while theirs is encoded, and codes that outlive the front.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/audio/make_recording.h"
#include "tests/services/preprocess/front/front_fixture.h"
#include "tests/support/temp_dir.h"

namespace shoal::testing {
namespace {

using tts::v1::SynthesisConfig;

SynthesisConfig InTheVoiceOf(const std::string& recording) {
  SynthesisConfig config;
  config.mutable_audio()->set_encoding(tts::v1::FLOAT32);
  config.add_references()->set_audio(recording);
  config.mutable_references(0)->set_transcript("What is said.");
  return config;
}

void Begin(SpeechCall& call, const std::string& recording) {
  call.Configure(InTheVoiceOf(recording));
  call.Text("Hello.");
  call.EndOfText();
}

TEST(ReferenceUpload, AClientThatGoesStopsTheEncodingOfItsRecording) {
  FrontFixture front;
  front.encoder().Hold();
  SpeechCall call(front.stub());
  Begin(call, ToneWav(1.0, 44100));
  front.encoder().AwaitHeld();
  call.Cancel();
  front.encoder().AwaitStopped(1);  // although it is still held
  EXPECT_FALSE(Drain(call).status.ok());
  EXPECT_EQ(front.Metric("shoal_reference_encodes_stopped_total"), "1");
  front.encoder().Release();
  EXPECT_TRUE(Speak(front.stub(), InTheVoiceOf(ToneWav(1.0, 44100)), {"Hello."}).status.ok());
}

TEST(ReferenceUpload, AClientThatGoesDoesNotTakeAnotherOfTheSameVoiceWithIt) {
  FrontFixture front;
  front.encoder().Hold();
  const std::string recording = ToneWav(1.0, 44100);
  SpeechCall first(front.stub()), second(front.stub());
  Begin(first, recording);
  front.encoder().AwaitHeld();
  Begin(second, recording);
  while (front.Metric("shoal_voice_cache_hits_total{tier=\"in_flight\"}") != "1") {
    front.encoder().AwaitWatched();
  }
  first.Cancel();
  EXPECT_FALSE(Drain(first).status.ok());
  front.encoder().AwaitWatched();  // the encoding goes on
  front.encoder().Release();
  const Speech speech = Drain(second);
  EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
  EXPECT_EQ(speech.Float32(), ExpectedAudio(1, 3));
  EXPECT_EQ(front.encoder().calls(), 1);
  EXPECT_EQ(front.encoder().stopped(), 0);
}

TEST(ReferenceUpload, AVoiceIsEncodedOnceForAllFrontsOfAFolder) {
  const TempDir folder;
  FrontFixture::Options options;
  options.front.front.reference_cache_dir = folder.path();
  const SynthesisConfig config = InTheVoiceOf(ToneWav(1.0, 44100));
  {
    FrontFixture front(options);
    EXPECT_TRUE(Speak(front.stub(), config, {"Hello."}).status.ok());
    EXPECT_EQ(front.encoder().calls(), 1);
  }
  FrontFixture front(options);
  EXPECT_TRUE(Speak(front.stub(), config, {"Hello."}).status.ok());
  EXPECT_EQ(front.encoder().calls(), 0);
  EXPECT_EQ(front.Metric("shoal_voice_cache_hits_total{tier=\"disk\"}"), "1");
}

TEST(ReferenceUpload, AFolderThatCannotBeIsNamedAtTheStart) {
  const TempDir folder;
  FrontFixture::Options options;
  options.front.front.reference_cache_dir = folder.Write("a file", "");
  try {
    FrontFixture front(options);
    ADD_FAILURE() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("--reference-cache-dir: "));
  }
}

}  // namespace
}  // namespace shoal::testing
