#include "services/vocoder/vocoder_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/services/ar_engine/pipeline_peer.h"
#include "tests/services/vocoder/summing_decoder.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;
using ::testing::HasSubstr;
using testing::PipelinePeer;

class VocoderServiceTest : public ::testing::Test {
 protected:
  static std::unique_ptr<VocoderService> StartService(FrameDecoder* decoder,
                                                      service::Metrics* metrics) {
    VocoderService::Options options;
    options.channel.bind = "tcp://127.0.0.1:*";
    options.channel.silence = absl::Seconds(20);
    auto service = VocoderService::Start(std::move(options), decoder, metrics);
    EXPECT_TRUE(service.ok()) << service.status();
    return *std::move(service);
  }

  VocoderServiceTest() {
    front_.AwaitUp(vocoder());
    engine_.AwaitUp(vocoder());
  }

  uint64_t vocoder() const { return service_->channel().incarnation(); }

  void Send(PipelinePeer& peer, transport::Message message) {
    const absl::Status sent = peer.channel().Send(vocoder(), std::move(message));
    ASSERT_TRUE(sent.ok()) << sent;
  }

  static void SetStream(uint64_t stream, v1::StreamId* id) {
    id->set_high(77);
    id->set_low(stream);
  }

  void Open(uint64_t stream) {
    transport::Message message;
    v1::Submit& submit = *message.envelope.mutable_submit();
    SetStream(stream, submit.mutable_stream());
    submit.set_priority(v1::PLAYBACK);
    submit.mutable_decode();
    Send(front_, std::move(message));
  }

  void SendFrame(uint64_t stream, uint32_t frame, std::vector<int32_t> codes,
                 uint32_t attempt = 0) {
    transport::Message message;
    v1::Frame& body = *message.envelope.mutable_frame();
    SetStream(stream, body.mutable_stream());
    body.set_frame(frame);
    body.set_attempt(attempt);
    transport::AttachInt32(message, body.mutable_codes(), codes,
                           {1, static_cast<uint32_t>(codes.size())});
    Send(engine_, std::move(message));
  }

  void SendEnd(uint64_t stream, uint32_t frames) {
    transport::Message message;
    v1::Frame& body = *message.envelope.mutable_frame();
    SetStream(stream, body.mutable_stream());
    body.set_frame(frames);
    body.set_last(true);
    Send(engine_, std::move(message));
  }

  void Cancel(uint64_t stream) {
    transport::Message message;
    SetStream(stream, message.envelope.mutable_cancel()->mutable_stream());
    Send(front_, std::move(message));
  }

  static bool Accepted(const PipelinePeer::Messages& messages, uint64_t stream) {
    for (const auto& message : messages) {
      const v1::Event& event = message.envelope.event();
      if (event.stream().low() == stream && event.has_accepted()) return true;
    }
    return false;
  }

  void OpenAndWait(uint64_t stream) {
    Open(stream);
    front_.AwaitMessages("accepted", [&](const auto& all) { return Accepted(all, stream); });
  }

  v1::Event::Failed AwaitFailure(uint64_t stream) {
    v1::Event::Failed failed;
    front_.AwaitMessages("failed", [&](const PipelinePeer::Messages& all) {
      for (const auto& message : all) {
        const v1::Event& event = message.envelope.event();
        if (event.stream().low() == stream && event.has_failed()) {
          failed = event.failed();
          return true;
        }
      }
      return false;
    });
    return failed;
  }

  // All audio of a stream, once its last message is there.
  std::vector<float> AwaitSpeech(uint64_t stream) {
    const auto ended = [&](const PipelinePeer::Messages& all) {
      return std::any_of(all.begin(), all.end(), [&](const auto& message) {
        const v1::Audio& audio = message.envelope.audio();
        return audio.stream().low() == stream && audio.last();
      });
    };
    std::vector<float> pcm;
    for (const auto& message : front_.AwaitMessages("the last audio", ended)) {
      const v1::Audio& audio = message.envelope.audio();
      if (!message.envelope.has_audio() || audio.stream().low() != stream) continue;
      EXPECT_EQ(audio.first_sample(), pcm.size());
      if (!audio.has_pcm()) continue;
      const auto samples = transport::ReadFloat32(message, audio.pcm(), 1);
      EXPECT_TRUE(samples.ok()) << samples.status();
      pcm.insert(pcm.end(), samples->begin(), samples->end());
    }
    return pcm;
  }

  service::Metrics metrics_{"test"};
  SummingDecoder decoder_{2};
  std::unique_ptr<VocoderService> service_ = StartService(&decoder_, &metrics_);
  PipelinePeer front_{v1::FRONT, {service_->channel().inbox()}};
  PipelinePeer engine_{v1::ENGINE, {service_->channel().inbox()}};
};

TEST_F(VocoderServiceTest, FramesBecomeAudioWithItsCodes) {
  OpenAndWait(1);
  const std::vector<FrameCodes> frames = {{1, 2}, {3, 4}, {5, 6}};
  for (uint32_t i = 0; i < frames.size(); ++i) SendFrame(1, i, frames[i]);
  SendEnd(1, 3);
  EXPECT_EQ(AwaitSpeech(1), SummingDecoder::Expected(frames));
  std::vector<int32_t> codes;
  for (const auto& message : front_.received()) {
    if (!message.envelope.audio().has_codes()) continue;
    const auto some = transport::ReadInt32(message, message.envelope.audio().codes(), 2);
    ASSERT_TRUE(some.ok()) << some.status();
    codes.insert(codes.end(), some->begin(), some->end());
  }
  EXPECT_THAT(codes, ::testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(VocoderServiceTest, EarlyAndRepeatedFramesChangeNothing) {
  OpenAndWait(1);
  SendFrame(1, 1, {3, 4});
  SendFrame(1, 1, {3, 4});
  SendFrame(1, 0, {1, 2});
  SendFrame(1, 0, {1, 2});
  SendEnd(1, 2);
  EXPECT_EQ(AwaitSpeech(1), SummingDecoder::Expected({{1, 2}, {3, 4}}));
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("shoal_vocoder_frames_dropped_total{reason=\"repeated\"} 2"));
}

TEST_F(VocoderServiceTest, AFullVocoderRefusesAndACancelMakesRoom) {
  OpenAndWait(1);
  OpenAndWait(2);
  Open(3);
  const v1::Event::Failed failed = AwaitFailure(3);
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(failed.reason(), "STAGES_BUSY");
  Cancel(1);
  OpenAndWait(4);
}

TEST_F(VocoderServiceTest, AFrameThatNeverComesFailsTheStream) {
  OpenAndWait(1);
  SendFrame(1, 0, {1, 2});
  SendEnd(1, 2);
  const v1::Event::Failed failed = AwaitFailure(1);
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kDataLoss));
  EXPECT_THAT(failed.message(), HasSubstr("frame 1"));
  OpenAndWait(2);
  OpenAndWait(3);  // the slot is free again
}

TEST_F(VocoderServiceTest, FramesOfUnknownStreamsAndOtherAttemptsAreCounted) {
  OpenAndWait(1);
  SendFrame(99, 0, {1, 2});
  SendFrame(1, 0, {9, 9}, /*attempt=*/1);
  SendFrame(1, 0, {1, 2});
  SendEnd(1, 1);
  EXPECT_EQ(AwaitSpeech(1), SummingDecoder::Expected({{1, 2}}));
  const std::string metrics = metrics_.Serialize();
  EXPECT_THAT(metrics, HasSubstr("dropped_total{reason=\"unknown_stream\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("dropped_total{reason=\"other_attempt\"} 1"));
}

TEST_F(VocoderServiceTest, AFrontThatLeavesFreesItsSlots) {
  {
    PipelinePeer leaving(v1::FRONT, {service_->channel().inbox()});
    leaving.AwaitUp(vocoder());
    for (const uint64_t stream : {1, 2}) {
      transport::Message message;
      SetStream(stream, message.envelope.mutable_submit()->mutable_stream());
      message.envelope.mutable_submit()->set_priority(v1::PLAYBACK);
      message.envelope.mutable_submit()->mutable_decode();
      Send(leaving, std::move(message));
      leaving.AwaitMessages("accepted", [&](const auto& all) { return Accepted(all, stream); });
    }
  }
  // Its departure and this request come on different connections: ask until there is room.
  for (uint64_t stream = 10;; ++stream) {
    Open(stream);
    const auto answered = [&](const PipelinePeer::Messages& all) {
      return std::any_of(all.begin(), all.end(), [&](const auto& message) {
        return message.envelope.event().stream().low() == stream;
      });
    };
    if (Accepted(front_.AwaitMessages("an answer", answered), stream)) break;
  }
}

TEST_F(VocoderServiceTest, ADrainingVocoderFinishesWhatItHas) {
  OpenAndWait(1);
  service_->Drain();
  Open(2);
  EXPECT_EQ(AwaitFailure(2).reason(), "DRAINING");
  EXPECT_FALSE(service_->AwaitIdle(absl::ZeroDuration()));
  SendFrame(1, 0, {1, 2});
  SendEnd(1, 1);
  EXPECT_EQ(AwaitSpeech(1), SummingDecoder::Expected({{1, 2}}));
  Cancel(1);
  EXPECT_TRUE(service_->AwaitIdle(absl::Seconds(30)));
}

TEST_F(VocoderServiceTest, AStreamThatFailsWhileDrainingIsNotWaitedFor) {
  OpenAndWait(1);
  service_->Drain();
  SendFrame(1, 0, {SummingDecoder::kPoison, 0});
  EXPECT_EQ(AwaitFailure(1).code(), static_cast<int>(absl::StatusCode::kInternal));
  EXPECT_TRUE(service_->AwaitIdle(absl::Seconds(30)));
}

}  // namespace
}  // namespace shoal::vocoder
