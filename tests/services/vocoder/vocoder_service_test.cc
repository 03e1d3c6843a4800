#include "services/vocoder/vocoder_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "tests/services/vocoder/service_fixture.h"

namespace shoal::vocoder {
namespace {

using ::testing::HasSubstr;

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

TEST_F(VocoderServiceTest, FramesOfUnknownStreamsAndOlderAttemptsAreCounted) {
  Open(1, /*attempt=*/4);
  front_.AwaitMessages("accepted", [](const auto& all) { return Accepted(all, 1); });
  SendFrame(99, 0, {1, 2});
  SendFrame(1, 0, {9, 9}, /*attempt=*/3);
  SendFrame(1, 0, {1, 2}, 4);
  SendEnd(1, 1, 4);
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

// The numbers of one stream's messages count up by one over all its turns, whatever they are.
TEST_F(VocoderServiceTest, MessagesOfAStreamAreNumberedOverItsTurns) {
  OpenAndWait(1);
  OpenAndWait(2);
  for (uint32_t turn = 0; turn < 3; ++turn) {
    for (uint32_t frame = 0; frame < 4; ++frame) {
      SendFrame(1, frame, {1, 2}, 0, turn);
      SendFrame(2, frame, {3, 4}, 0, turn);
    }
    SendEnd(1, 4, 0, turn);
    SendEnd(2, 4, 0, turn);
    front_.AwaitMessages("the turn's end", [&](const PipelinePeer::Messages& all) {
      return std::count_if(all.begin(), all.end(), [&](const auto& message) {
               return message.envelope.audio().turn() == turn && message.envelope.audio().last();
             }) == 2;
    });
  }
  SendFrame(1, 0, {SummingDecoder::kPoison, 0}, 0, 3);
  AwaitFailure(1);
  uint64_t next = 0;
  uint64_t first_sample = 0;
  uint32_t turn = 0;
  for (const auto& message : front_.received()) {
    const v1::Envelope& envelope = message.envelope;
    const bool is_audio = envelope.has_audio();
    const v1::StreamId& id = is_audio ? envelope.audio().stream() : envelope.event().stream();
    if (id.low() != 1) continue;
    EXPECT_EQ(is_audio ? envelope.audio().sequence() : envelope.event().sequence(), next++);
    if (!is_audio) continue;
    EXPECT_EQ(envelope.audio().turn(), turn);
    EXPECT_EQ(envelope.audio().first_sample(), first_sample);
    if (envelope.audio().has_codes()) {
      first_sample += envelope.audio().codes().shape(0) * SummingDecoder::kFrameLength;
    }
    if (envelope.audio().last()) ++turn;
  }
  EXPECT_GE(next, 1u + 3u + 1u);
  EXPECT_EQ(turn, 3u);
  EXPECT_EQ(first_sample, 12u * SummingDecoder::kFrameLength);
}

// The Cancel is in the service's inbox while the decoder works on the stream's frame.
TEST_F(VocoderServiceTest, ACancelWhileItsFrameIsDecodedSilencesTheStream) {
  OpenAndWait(1);
  OpenAndWait(2);
  decoder_.OnDecode([&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    Cancel(1);
    // Messages of one peer keep their order: once this broken one is counted, the Cancel is in.
    transport::Message broken;
    broken.envelope.mutable_cancel();
    Send(front_, std::move(broken));
    while (service_->channel().counters().dropped_for(transport::DropReason::kMalformed) == 0) {
      std::this_thread::yield();
    }
  });
  SendFrame(1, 0, {1, 2});
  SendFrame(2, 0, {1, 2});
  SendEnd(2, 1);
  AwaitSpeech(2);
  for (const auto& message : front_.received()) {
    EXPECT_NE(message.envelope.audio().stream().low(), 1u);
  }
  OpenAndWait(3);
}

}  // namespace
}  // namespace shoal::vocoder
