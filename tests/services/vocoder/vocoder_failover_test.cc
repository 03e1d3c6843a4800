// What a front does with a vocoder when an engine or another vocoder is lost: streams opened by
// replay, rolled back and forward, and held at the front's credit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/services/vocoder/service_fixture.h"

namespace shoal::vocoder {
namespace {

using ::testing::HasSubstr;

class VocoderFailoverTest : public VocoderServiceTest {
 protected:
  static std::vector<FrameCodes> Speech(int count, int32_t seed = 0) {
    std::vector<FrameCodes> frames;
    for (int i = 0; i < count; ++i) frames.push_back({i + 20, 3 * i + seed});
    return frames;
  }
  void SendFrames(uint64_t stream, const std::vector<FrameCodes>& frames, uint32_t first,
                  uint32_t end, uint32_t attempt = 0) {
    for (uint32_t i = first; i < end; ++i) SendFrame(stream, i, frames[i], attempt);
  }
};

TEST_F(VocoderFailoverTest, HelloSaysHowFarAReplayReachesBack) {
  const auto peers = front_.channel().peers();
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(peers[0].hello.limits().replay_frames(), static_cast<uint32_t>(SummingDecoder::kReach));
}

TEST_F(VocoderFailoverTest, AStreamOfALostVocoderGoesOnHere) {
  const std::vector<FrameCodes> frames = Speech(24);
  OpenByReplay(1, /*attempt=*/3, /*cut=*/14, frames, SummingDecoder::kReach);
  SendFrames(1, frames, 14, 24, 3);
  SendFrame(1, 14, {9, 9}, 2);
  SendEnd(1, 24, 3);
  EXPECT_EQ(AwaitAttempt(1, 3, 14), SummingDecoder::Expected(frames, 14));
  EXPECT_THAT(metrics_.Serialize(),
              HasSubstr("shoal_vocoder_states_rebuilt_total{cause=\"submit\"} 1"));
}

TEST_F(VocoderFailoverTest, AYoungStreamIsReplayedFromItsBeginning) {
  const std::vector<FrameCodes> frames = Speech(6);
  OpenByReplay(1, 1, 2, frames, 2);
  SendFrames(1, frames, 2, 6, 1);
  SendEnd(1, 6, 1);
  EXPECT_EQ(AwaitAttempt(1, 1, 2), SummingDecoder::Expected(frames, 2));
}

TEST_F(VocoderFailoverTest, AReplayOfTooFewFramesIsRefusedAndTakesNoSlot) {
  const std::vector<FrameCodes> frames = Speech(14);
  OpenByReplay(1, 1, 14, frames, SummingDecoder::kReach - 1);
  const v1::Event::Failed failed = AwaitFailure(1);
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(failed.reason(), "INVALID_FIELD");
  EXPECT_THAT(failed.message(), HasSubstr("submit.decode.replay.codes"));
  OpenAndWait(2);
  OpenAndWait(3);
}

TEST_F(VocoderFailoverTest, AReplayOfAnotherCodecsCodesIsRefused) {
  // The front may see the vocoder before the vocoder sees the front; an answer proves both.
  OpenAndWait(2);
  transport::Message message;
  v1::Submit& submit = *message.envelope.mutable_submit();
  SetStream(1, submit.mutable_stream());
  submit.set_priority(v1::PLAYBACK);
  v1::Replay& replay = *submit.mutable_decode()->mutable_replay();
  replay.set_frame(1);
  replay.set_position(1);
  replay.set_first_sample(SummingDecoder::kFrameLength);
  transport::AttachInt32(message, replay.mutable_codes(), {1, 2, 3}, {1, 3});
  Send(front_, std::move(message));
  const v1::Event::Failed failed = AwaitFailure(1);
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(failed.message(), HasSubstr("submit.decode.replay.codes"));
}

TEST_F(VocoderFailoverTest, AResumedStreamGoesBackToTheCut) {
  const std::vector<FrameCodes> frames = Speech(12);
  std::vector<FrameCodes> others(frames.begin(), frames.begin() + 8);
  for (const FrameCodes& frame : Speech(4, 500)) others.push_back(frame);
  OpenAndWait(1);
  SendFrames(1, frames, 0, 12);
  SendEnd(1, 12);
  AwaitFrames(1, 12);
  Resume(1, /*attempt=*/1, /*cut=*/8);
  Resume(1, /*attempt=*/1, /*cut=*/2);  // the same attempt again: old news
  // The frames come on another connection than the Resume, before or after it.
  SendFrames(1, others, 8, 12, 1);
  SendEnd(1, 12, 1);
  EXPECT_EQ(AwaitAttempt(1, 1, 8), SummingDecoder::Expected(others, 8));
  SendFrame(1, 8, frames[8], 0);  // of the lost engine
  AwaitMetric("shoal_vocoder_frames_dropped_total{reason=\"other_attempt\"} 1");
  const std::string metrics = metrics_.Serialize();
  EXPECT_THAT(metrics, HasSubstr("shoal_vocoder_states_rebuilt_total{cause=\"resume\"} 1"));
  EXPECT_THAT(metrics, HasSubstr("shoal_vocoder_old_news_total{kind=\"resume\"} 1"));
}

TEST_F(VocoderFailoverTest, AStreamThatCannotGoBackFailsSoThatItsFrontReplaysIt) {
  OpenAndWait(1);
  SendFrame(1, 0, {1, 2});
  AwaitFrames(1, 1);
  transport::Message message;
  v1::Resume& resume = *message.envelope.mutable_resume();
  SetStream(1, resume.mutable_stream());
  resume.set_attempt(1);
  resume.set_turn(5);
  resume.set_cut(7);
  Send(front_, std::move(message));
  const v1::Event::Failed failed = AwaitFailure(1);
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(failed.message(), HasSubstr("resume.turn"));
}

// The front has lost track of a stream that is here: its new attempt takes the old one's place.
TEST_F(VocoderFailoverTest, ASubmitOfAHigherAttemptReplacesTheStream) {
  const std::vector<FrameCodes> frames = Speech(12);
  OpenAndWait(1);
  SendFrames(1, frames, 0, 8);
  AwaitFrames(1, 5);
  OpenByReplay(1, 1, 5, frames, SummingDecoder::kReach);
  SendFrames(1, frames, 5, 12, 1);
  SendEnd(1, 12, 1);
  EXPECT_EQ(AwaitAttempt(1, 1, 5), SummingDecoder::Expected(frames, 5));
  uint64_t next = 0;
  for (const auto& received : front_.received()) {
    const v1::Envelope& envelope = received.envelope;
    const bool is_audio = envelope.has_audio();
    if ((is_audio ? envelope.audio().stream() : envelope.event().stream()).low() != 1) continue;
    EXPECT_EQ(is_audio ? envelope.audio().sequence() : envelope.event().sequence(), next++);
  }
  Open(1, /*attempt=*/1);
  EXPECT_EQ(AwaitFailure(1).code(), static_cast<int>(absl::StatusCode::kAlreadyExists));
}

TEST_F(VocoderFailoverTest, CreditsPauseAndRaisesResume) {
  const std::vector<FrameCodes> frames = Speech(20);
  OpenAndWait(1);
  SendCredit(1, 4, 0, 0);
  OpenAndWait(2);  // the credit is known
  SendFrames(1, frames, 0, 20);
  SendEnd(1, 20);
  AwaitFrames(1, 4);
  AwaitMetric("shoal_vocoder_streams_at_credit 1");
  // Nothing more until the limit rises; older news and other attempts' do not raise it.
  SendCredit(1, 3, 0, 0);
  SendCredit(1, 20, 0, 0, /*attempt=*/1);
  AwaitMetric("shoal_vocoder_old_news_total{kind=\"audio_credit\"} 2");
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("shoal_frames_decoded_total 4"));
  SendCredit(1, 20, 5000, 4);
  EXPECT_EQ(AwaitSpeech(1), SummingDecoder::Expected(frames));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr("shoal_vocoder_streams_at_credit 0"));
}

}  // namespace
}  // namespace shoal::vocoder
