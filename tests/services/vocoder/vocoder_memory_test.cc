// Streams that come and go leave nothing in the service or its transport.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "services/vocoder/vocoder_service.h"
#include "tests/services/ar_engine/service/pipeline_peer.h"
#include "tests/services/vocoder/resident_memory.h"
#include "tests/services/vocoder/summing_decoder.h"

namespace shoal::vocoder {
namespace {

namespace v1 = pipeline::v1;

// A sanitizer keeps freed memory for a while.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHOAL_SANITIZED 1
#endif
#endif
#ifdef SHOAL_SANITIZED
constexpr bool kMeasurable = false;
#else
constexpr bool kMeasurable = true;
#endif

constexpr int kUnderWay = 16;

// A front that keeps nothing of what it hears.
class DeafFront {
 public:
  explicit DeafFront(const transport::Channel& vocoder) : vocoder_(vocoder.incarnation()) {
    transport::Channel::Options options;
    options.bind = "tcp://127.0.0.1:*";
    options.self.set_stage(v1::FRONT);
    options.dial = {vocoder.inbox()};
    options.silence = absl::Seconds(20);
    transport::Channel::Handlers handlers;
    handlers.up = [this](const transport::Peer&) { up_ = true; };
    handlers.down = [](uint64_t, absl::string_view) {};
    handlers.message = [this](uint64_t, const transport::Message& message) {
      if (message.envelope.event().has_accepted()) ++answered_;
      if (message.envelope.event().has_failed()) ++failed_;
      if (message.envelope.has_audio()) ++audio_;
    };
    auto started = transport::Channel::Start(std::move(options), std::move(handlers));
    if (!started.ok()) throw std::runtime_error(started.status().ToString());
    channel_ = *std::move(started);
    Await(up_, 1);
  }

  // Opens and feeds a stream, and closes an earlier one. Some may be under way.
  void Speak(uint64_t id) {
    transport::Message submit;
    SetStream(id, submit.envelope.mutable_submit()->mutable_stream());
    submit.envelope.mutable_submit()->set_priority(v1::PLAYBACK);
    submit.envelope.mutable_submit()->mutable_decode();
    Send(std::move(submit));
    const auto frames = static_cast<uint32_t>(1 + id % 4);
    for (uint32_t i = 0; i < frames; ++i) {
      transport::Message message;
      v1::Frame& frame = *message.envelope.mutable_frame();
      SetStream(id, frame.mutable_stream());
      frame.set_frame(i);
      frame.set_last(i + 1 == frames && id % 2 == 0);
      transport::AttachInt32(message, frame.mutable_codes(), {1, 2}, {1, 2});
      Send(std::move(message));
    }
    transport::Message credit;
    SetStream(id, credit.envelope.mutable_audio_credit()->mutable_stream());
    credit.envelope.mutable_audio_credit()->set_frames(100);
    Send(std::move(credit));
    transport::Message cancel;
    const uint64_t closing = id - std::min<uint64_t>(id - 1, kUnderWay / 2);
    SetStream(closing, cancel.envelope.mutable_cancel()->mutable_stream());
    Send(std::move(cancel));
    Await(answered_, ++opened_ - kUnderWay);
  }

  // Waits until all were opened.
  void Finish() { Await(answered_, opened_); }

  int audio() const { return audio_; }
  int failed() const { return failed_; }

 private:
  static void SetStream(uint64_t id, v1::StreamId* stream) {
    stream->set_high(9);
    stream->set_low(id);
  }
  void Send(transport::Message message) {
    const absl::Status sent = channel_->Send(vocoder_, std::move(message));
    if (!sent.ok()) throw std::runtime_error(sent.ToString());
  }
  static void Await(const std::atomic<int>& counter, int value) {
    while (counter < value) std::this_thread::yield();
  }

  const uint64_t vocoder_;
  std::atomic<int> up_{0}, answered_{0}, failed_{0}, audio_{0};
  int opened_ = 0;
  std::unique_ptr<transport::Channel> channel_;  // last: its thread uses all of the above
};

// Allowed is 2 MiB over 10,000 streams: queues of the transport grow to their usual size.
TEST(VocoderMemoryTest, TenThousandStreamsLeaveNothing) {
  constexpr uint64_t kWarmUp = 2000, kStreams = 10000;
  constexpr int64_t kAllowed = 2 << 20;
  SummingDecoder decoder(2 * kUnderWay);
  service::Metrics metrics("test");
  VocoderService::Options options;
  options.channel.bind = "tcp://127.0.0.1:*";
  options.channel.silence = absl::Seconds(20);
  auto service = VocoderService::Start(std::move(options), &decoder, &metrics);
  ASSERT_TRUE(service.ok()) << service.status();
  DeafFront front((*service)->channel());
  uint64_t id = 0;
  while (id < kWarmUp) front.Speak(++id);
  front.Finish();
  const int64_t before = ResidentBytes();
  while (id < kWarmUp + kStreams) front.Speak(++id);
  front.Finish();
  const int64_t grown = ResidentBytes() - before;
  std::printf("%d messages of audio, resident memory grew by %ld bytes\n", front.audio(), grown);
  if (kMeasurable) {
    EXPECT_LT(grown, kAllowed);
  }
  EXPECT_EQ(front.failed(), 0);
  EXPECT_GT(front.audio(), 0);
}

}  // namespace
}  // namespace shoal::vocoder
