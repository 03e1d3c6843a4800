// What tests of the vocoder's service share: a service over a SummingDecoder, a front and an engine
// played by the test.
#ifndef SHOAL_TESTS_SERVICES_VOCODER_SERVICE_FIXTURE_H_
#define SHOAL_TESTS_SERVICES_VOCODER_SERVICE_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "services/vocoder/vocoder_service.h"
#include "tests/services/ar_engine/service/pipeline_peer.h"
#include "tests/services/vocoder/summing_decoder.h"

namespace shoal::vocoder {

namespace v1 = pipeline::v1;
using testing::PipelinePeer;

class VocoderServiceTest : public ::testing::Test {
 protected:
  static std::unique_ptr<VocoderService> StartService(FrameDecoder* decoder,
                                                      service::Metrics* metrics) {
    VocoderService::Options options;
    options.channel.bind = "tcp://127.0.0.1:*";
    options.channel.silence = absl::Seconds(20);
    options.channel.self.mutable_limits()->set_num_codebooks(SummingDecoder::kCodebooks);
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

  void Open(uint64_t stream, uint32_t attempt = 0) {
    transport::Message message;
    v1::Submit& submit = *message.envelope.mutable_submit();
    SetStream(stream, submit.mutable_stream());
    submit.set_priority(v1::PLAYBACK);
    submit.set_attempt(attempt);
    submit.mutable_decode();
    Send(front_, std::move(message));
  }

  void SendFrame(uint64_t stream, uint32_t frame, std::vector<int32_t> codes, uint32_t attempt = 0,
                 uint32_t turn = 0) {
    transport::Message message;
    v1::Frame& body = *message.envelope.mutable_frame();
    SetStream(stream, body.mutable_stream());
    body.set_turn(turn);
    body.set_frame(frame);
    body.set_attempt(attempt);
    transport::AttachInt32(message, body.mutable_codes(), codes,
                           {1, static_cast<uint32_t>(codes.size())});
    Send(engine_, std::move(message));
  }

  void SendEnd(uint64_t stream, uint32_t frames, uint32_t attempt = 0, uint32_t turn = 0) {
    transport::Message message;
    v1::Frame& body = *message.envelope.mutable_frame();
    SetStream(stream, body.mutable_stream());
    body.set_turn(turn);
    body.set_attempt(attempt);
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

  // `frames` are those of the stream up to frame `cut` of turn 0; the last `count` are given. Waits
  // for an answer.
  void OpenByReplay(uint64_t stream, uint32_t attempt, uint32_t cut,
                    const std::vector<FrameCodes>& frames, size_t count) {
    std::vector<int32_t> codes;
    const size_t given = std::min<size_t>(count, cut);
    for (size_t i = cut - given; i < cut; ++i) {
      codes.insert(codes.end(), frames[i].begin(), frames[i].end());
    }
    transport::Message message;
    v1::Submit& submit = *message.envelope.mutable_submit();
    SetStream(stream, submit.mutable_stream());
    submit.set_priority(v1::PLAYBACK);
    submit.set_attempt(attempt);
    v1::Replay& replay = *submit.mutable_decode()->mutable_replay();
    replay.set_frame(cut);
    replay.set_position(cut);
    replay.set_first_sample(uint64_t{cut} * SummingDecoder::kFrameLength);
    transport::AttachInt32(message, replay.mutable_codes(), codes,
                           {static_cast<uint32_t>(given), SummingDecoder::kCodebooks});
    Send(front_, std::move(message));
    front_.AwaitMessages("an answer", [&](const PipelinePeer::Messages& all) {
      return std::any_of(all.begin(), all.end(), [&](const auto& answer) {
        const v1::Event& event = answer.envelope.event();
        return event.stream().low() == stream && event.attempt() == attempt;
      });
    });
  }

  void Resume(uint64_t stream, uint32_t attempt, uint32_t cut) {
    transport::Message message;
    v1::Resume& resume = *message.envelope.mutable_resume();
    SetStream(stream, resume.mutable_stream());
    resume.set_attempt(attempt);
    resume.set_cut(cut);
    Send(front_, std::move(message));
  }

  void SendCredit(uint64_t stream, uint32_t frames, double buffered_ms, uint32_t next_frame,
                  uint32_t attempt = 0) {
    transport::Message message;
    v1::AudioCredit& credit = *message.envelope.mutable_audio_credit();
    SetStream(stream, credit.mutable_stream());
    credit.set_attempt(attempt);
    credit.set_frames(frames);
    credit.set_buffered_ms(buffered_ms);
    credit.set_next_frame(next_frame);
    Send(front_, std::move(message));
  }

  // What a front hears that follows one attempt of a stream from frame `from` on, once it is over.
  std::vector<float> AwaitAttempt(uint64_t stream, uint32_t attempt, uint32_t from) {
    const auto of_attempt = [=](const transport::Message& message) {
      const v1::Audio& audio = message.envelope.audio();
      return message.envelope.has_audio() && audio.stream().low() == stream &&
             audio.attempt() == attempt;
    };
    const auto ended = [&](const PipelinePeer::Messages& all) {
      return std::any_of(all.begin(), all.end(), [&](const auto& message) {
        return of_attempt(message) && message.envelope.audio().last();
      });
    };
    std::vector<float> pcm;
    for (const auto& message : front_.AwaitMessages("the attempt's last audio", ended)) {
      const v1::Audio& audio = message.envelope.audio();
      if (!of_attempt(message)) continue;
      EXPECT_EQ(audio.first_sample(), from * SummingDecoder::kFrameLength + pcm.size());
      EXPECT_EQ(audio.frame() * SummingDecoder::kFrameLength, audio.first_sample());
      if (!audio.has_pcm()) continue;
      const auto samples = transport::ReadFloat32(message, audio.pcm(), 1);
      EXPECT_TRUE(samples.ok()) << samples.status();
      pcm.insert(pcm.end(), samples->begin(), samples->end());
    }
    return pcm;
  }

  // The model thread has come to where its metrics say this. They are written behind what they
  // count, and no message tells, so this looks again and again.
  void AwaitMetric(const std::string& line) {
    const absl::Time limit = absl::Now() + absl::Seconds(30);
    while (metrics_.Serialize().find(line + "\n") == std::string::npos) {
      if (absl::Now() > limit) throw std::runtime_error("waited in vain for " + line);
      std::this_thread::yield();
    }
  }

  // Waits until the front has `frames` frames of the stream.
  void AwaitFrames(uint64_t stream, uint32_t frames) {
    front_.AwaitMessages("frames", [&](const PipelinePeer::Messages& all) {
      uint32_t heard = 0;
      for (const auto& message : all) {
        const v1::Audio& audio = message.envelope.audio();
        if (audio.stream().low() == stream && audio.has_codes()) heard += audio.codes().shape(0);
      }
      return heard >= frames;
    });
  }

  service::Metrics metrics_{"test"};
  SummingDecoder decoder_{2};
  std::unique_ptr<VocoderService> service_ = StartService(&decoder_, &metrics_);
  PipelinePeer front_{v1::FRONT, {service_->channel().inbox()}};
  PipelinePeer engine_{v1::ENGINE, {service_->channel().inbox()}};
};

}  // namespace shoal::vocoder

#endif  // SHOAL_TESTS_SERVICES_VOCODER_SERVICE_FIXTURE_H_
