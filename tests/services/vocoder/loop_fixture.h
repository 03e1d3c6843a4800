// What tests of the decode loop share: a loop over a SummingDecoder with a clock that the test
// turns, and ears.
#ifndef SHOAL_TESTS_SERVICES_VOCODER_LOOP_FIXTURE_H_
#define SHOAL_TESTS_SERVICES_VOCODER_LOOP_FIXTURE_H_

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "services/vocoder/decode_loop.h"
#include "tests/services/vocoder/summing_decoder.h"

namespace shoal::vocoder {

// Codes of `count` frames, others for another seed.
inline std::vector<FrameCodes> Frames(int count, int32_t seed = 0) {
  std::vector<FrameCodes> frames;
  for (int i = 0; i < count; ++i) frames.push_back({100 + (seed + i) % 500, 200 + 3 * i});
  return frames;
}

// Collects what streams sound like.
class Recorder final : public DecodeSink {
 public:
  struct Heard {
    uint64_t first_sample = 0;  // of pcm, in the stream
    std::vector<float> pcm = {};
    std::vector<FrameCodes> codes = {};
    std::vector<size_t> chunks = {};  // frames of each
    int ends = 0;
    uint32_t attempt = 0;
    absl::Status failure = {};
  };

  absl::Status OnAudio(const StreamKey& stream, const StreamOwner& owner,
                       const DecodedRun& decoded) override {
    Heard& heard = streams[stream];
    if (heard.attempt != owner.attempt) {  // what it takes back was never heard
      EXPECT_LE(decoded.first_sample, heard.first_sample + heard.pcm.size());
      heard.pcm.resize(decoded.first_sample - heard.first_sample);
      heard.codes.resize(heard.pcm.size() / SummingDecoder::kFrameLength);
      heard.attempt = owner.attempt;
    }
    EXPECT_EQ(decoded.first_sample, heard.first_sample + heard.pcm.size());
    heard.pcm.insert(heard.pcm.end(), decoded.pcm.begin(), decoded.pcm.end());
    heard.codes.insert(heard.codes.end(), decoded.run.frames.begin(), decoded.run.frames.end());
    heard.chunks.push_back(decoded.run.frames.size());
    heard.ends += decoded.run.last;
    return refuse;
  }
  void OnFailed(const StreamKey& stream, const StreamOwner&, const absl::Status& why) override {
    streams[stream].failure = why;
  }

  std::map<StreamKey, Heard> streams;
  absl::Status refuse;
};

class DecodeLoopTest : public ::testing::Test {
 protected:
  using Clock = DecodeLoop::Clock;

  explicit DecodeLoopTest(int slots = 4, DecodeLoop::Options options = {})
      : decoder_(slots), loop_(WithClock(std::move(options)), &decoder_, &heard_) {}

  StreamKey Open(uint64_t id, uint64_t front = 1, const StreamStart& start = {}) {
    const StreamKey key = {0, id};
    const absl::Status status = loop_.Open(key, {.front = front}, start);
    EXPECT_TRUE(status.ok()) << status;
    return key;
  }

  void Push(const StreamKey& key, uint32_t turn, uint32_t first, std::vector<FrameCodes> frames,
            bool last = false) {
    loop_.Push(key, {.turn = turn, .first = first, .frames = std::move(frames), .last = last});
  }

  // Everything that can be decoded without time going on.
  void RunUntilIdle() {
    while (loop_.TimeUntilWork() == Clock::duration::zero()) loop_.Step();
  }

  // Everything that can be decoded, as time goes on.
  void Play() {
    for (auto wait = loop_.TimeUntilWork(); wait.has_value(); wait = loop_.TimeUntilWork()) {
      now_ += *wait;
      loop_.Step();
    }
  }

  Clock::time_point now_{};
  SummingDecoder decoder_;
  Recorder heard_;
  DecodeLoop loop_;

 private:
  DecodeLoop::Options WithClock(DecodeLoop::Options options) const {
    options.clock = [this] { return now_; };
    return options;
  }
};

}  // namespace shoal::vocoder

#endif  // SHOAL_TESTS_SERVICES_VOCODER_LOOP_FIXTURE_H_
