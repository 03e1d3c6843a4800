// Whatever a client sends gets a status that names the field, and harms nobody else: after every
// bad request, a good one sounds as it did before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/speech_client.h"
#include "tests/system/deployment.h"
#include "tests/system/made_checkpoint.h"

namespace shoal::testing {
namespace {

using grpc::StatusCode;
using tts::v1::SynthesisConfig;

class BadInputTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    checkpoint_ = new std::string(MadeCheckpoint({"--seed=41"}));
    deployment_ =
        new Deployment({.checkpoint = *checkpoint_,
                        .flags = {{StageName::kPreprocess, {"--max-reference-seconds=2"}}}});
    deployment_->StartAll();
    good_audio_ = new std::string(Good());
  }
  static void TearDownTestSuite() {
    delete deployment_;
    delete checkpoint_;
    delete good_audio_;
  }

  static std::string Good() {
    const auto stub = Connect(deployment_->front_address());
    SynthesisConfig config;
    config.mutable_sampling()->set_seed(1);
    config.mutable_sampling()->set_max_frames(5);
    const Speech speech = Speak(*stub, config, {"All is well."});
    EXPECT_TRUE(speech.status.ok()) << speech.status.error_message();
    return speech.audio;
  }

  void TearDown() override { EXPECT_EQ(Good(), *good_audio_); }

  static Speech SpeakTo(const std::function<void(SpeechCall&)>& say) {
    const auto stub = Connect(deployment_->front_address());
    SpeechCall call(*stub);
    say(call);
    return Drain(call);
  }

  // A call with this config and a harmless text is refused, naming `field`.
  static void ExpectRefused(const std::string& field, const SynthesisConfig& config) {
    const auto stub = Connect(deployment_->front_address());
    const Speech speech = Speak(*stub, config, {"Hello."});
    ExpectInvalid(speech, field);
  }

  static void ExpectInvalid(const Speech& speech, const std::string& field) {
    EXPECT_EQ(speech.status.error_code(), StatusCode::INVALID_ARGUMENT)
        << field << ": " << speech.status.error_message();
    EXPECT_THAT(ViolatedFields(speech.status), ::testing::Contains(field))
        << speech.status.error_message();
    EXPECT_TRUE(speech.audio.empty());
  }

  static SynthesisConfig WithReference(const std::string& audio) {
    SynthesisConfig config;
    config.add_references()->set_audio(audio);
    return config;
  }

  static Deployment* deployment_;
  static std::string* checkpoint_;
  static std::string* good_audio_;
};

Deployment* BadInputTest::deployment_ = nullptr;
std::string* BadInputTest::checkpoint_ = nullptr;
std::string* BadInputTest::good_audio_ = nullptr;

TEST_F(BadInputTest, EmptyText) {
  const auto stub = Connect(deployment_->front_address());
  ExpectInvalid(Speak(*stub, {}, {}), "text");
  ExpectInvalid(Speak(*stub, {}, {""}), "text");
  ExpectInvalid(Speak(*stub, {}, {"  \n\t "}), "text");
}

TEST_F(BadInputTest, AMegabyteOfText) {
  const auto stub = Connect(deployment_->front_address());
  ExpectInvalid(Speak(*stub, {}, {std::string((1 << 20) + 1, 'a')}), "text");
}

TEST_F(BadInputTest, InvalidUtf8) {
  const Speech speech = SpeakTo([](SpeechCall& call) {
    call.Configure({});
    call.Text("good so far \xC3\x28 and then not");
    call.EndOfText();
  });
  ExpectInvalid(speech, "text");
}

TEST_F(BadInputTest, UnknownEncoding) {
  SynthesisConfig config;
  config.mutable_audio()->set_encoding(static_cast<tts::v1::AudioEncoding>(99));
  ExpectRefused("config.audio.encoding", config);
}

TEST_F(BadInputTest, SampleRateOutOfRange) {
  SynthesisConfig config;
  config.mutable_audio()->set_sample_rate_hz(7999);
  ExpectRefused("config.audio.sample_rate_hz", config);
  config.mutable_audio()->set_sample_rate_hz(48001);
  ExpectRefused("config.audio.sample_rate_hz", config);
}

TEST_F(BadInputTest, TextBeforeConfig) {
  const Speech speech = SpeakTo([](SpeechCall& call) {
    call.Text("Who am I?");
    call.EndOfText();
  });
  ExpectInvalid(speech, "config");
}

TEST_F(BadInputTest, SecondConfig) {
  const Speech speech = SpeakTo([](SpeechCall& call) {
    call.Configure({});
    call.Configure({});
    call.EndOfText();
  });
  ExpectInvalid(speech, "config");
}

TEST_F(BadInputTest, TruncatedWav) {
  const std::string wav = ToneWav(*checkpoint_, 0.5);
  ExpectRefused("config.references[0].audio", WithReference(wav.substr(0, 30)));
  ExpectRefused("config.references[0].audio", WithReference(wav.substr(0, wav.size() / 2)));
  ExpectRefused("config.references[0].audio", WithReference("this is no recording at all"));
}

TEST_F(BadInputTest, ReferenceWithoutASecondAndWithTooMany) {
  ExpectRefused("config.references[0].audio", WithReference(ToneWav(*checkpoint_, 0)));
  ExpectRefused("config.references[0].audio", WithReference(ToneWav(*checkpoint_, 2.5)));
  ExpectRefused("config.references[0].audio", WithReference(""));
}

TEST_F(BadInputTest, SamplingOutOfRange) {
  const auto refused = [](const std::string& field,
                          const std::function<void(tts::v1::SamplingConfig*)>& set) {
    SynthesisConfig config;
    set(config.mutable_sampling());
    ExpectRefused("config.sampling." + field, config);
  };
  refused("temperature", [](auto* s) { s->set_temperature(-1); });
  refused("temperature", [](auto* s) { s->set_temperature(std::nanf("")); });
  refused("top_p", [](auto* s) { s->set_top_p(0); });
  refused("top_p", [](auto* s) { s->set_top_p(1.5); });
  refused("repetition_penalty", [](auto* s) { s->set_repetition_penalty(0); });
  refused("max_frames", [](auto* s) { s->set_max_frames(0); });
  refused("max_frames", [](auto* s) { s->set_max_frames(1u << 30); });
  refused("ras.window", [](auto* s) { s->mutable_ras()->set_window(1000); });
}

TEST_F(BadInputTest, ChunkLengthAndRequestId) {
  SynthesisConfig config;
  config.set_chunk_length(50);
  ExpectRefused("config.chunk_length", config);
  config.set_chunk_length(0);
  config.set_request_id("two\nlines");
  ExpectRefused("config.request_id", config);
}

TEST_F(BadInputTest, UnarySynthesizeTellsTheSame) {
  const auto stub = Connect(deployment_->front_address());
  grpc::ClientContext context;
  tts::v1::SynthesizeRequest request;
  tts::v1::SynthesizeResponse response;
  const grpc::Status status = stub->Synthesize(&context, request, &response);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(ViolatedFields(status), ::testing::Contains("text"));
}

}  // namespace
}  // namespace shoal::testing
