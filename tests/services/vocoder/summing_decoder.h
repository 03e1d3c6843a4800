// A FrameDecoder without a codec: a frame's samples follow from its position and from the codes of
// it and of the kReach frames before it, so a lost, doubled or misplaced frame, a slot that was not
// made fresh or a replay of too few frames is heard.
#ifndef SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_
#define SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/vocoder/frame_decoder.h"

namespace shoal::vocoder {

class SummingDecoder final : public FrameDecoder {
 public:
  static constexpr int kCodebooks = 2;
  static constexpr int kFrameLength = 3;
  static constexpr int kSampleRate = 75;     // so that a frame lasts 40 ms
  static constexpr int kReach = 5;           // frames
  static constexpr int32_t kPoison = 666;    // decodes to a sample that is not finite
  static constexpr int32_t kBreakStep = 13;  // fails the whole step

  explicit SummingDecoder(int slots) : slots_(slots) {}

  // Called in every Decode from now on, when its samples are made. Any thread.
  void OnDecode(std::function<void()> call) {
    std::lock_guard<std::mutex> lock(on_decode_mutex_);
    on_decode_ = std::move(call);
  }
  // Frames that were replayed so far.
  int replayed() const { return replayed_; }

  int num_slots() const override { return static_cast<int>(slots_.size()); }
  int num_codebooks() const override { return kCodebooks; }
  int frame_length() const override { return kFrameLength; }
  int sample_rate() const override { return kSampleRate; }
  int replay_frames() const override { return kReach; }

  void Seek(int slot, uint64_t position) override { slots_[slot] = {position, {}}; }

  absl::Status Replay(int slot, absl::Span<const int32_t> codes, int to_follow) override {
    if (to_follow < 0) return absl::InvalidArgumentError("to_follow");
    for (size_t i = 0; i < codes.size(); i += kCodebooks) {
      Next(&slots_[slot], {&codes[i], &codes[i] + kCodebooks});
      ++replayed_;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<DecodedFrames>> Decode(absl::Span<const int> slots, int frames,
                                                    absl::Span<const int32_t> codes) override {
    std::vector<DecodedFrames> all(slots.size());
    const int32_t* code = codes.data();
    for (size_t i = 0; i < slots.size(); ++i) {
      for (int f = 0; f < frames; ++f, code += kCodebooks) {
        if (code[0] == kBreakStep) return absl::InternalError("the step breaks");
        if (code[0] == kPoison) all[i].finite = false;
        const std::vector<float> pcm = Next(&slots_[slots[i]], {code, code + kCodebooks});
        all[i].pcm.insert(all[i].pcm.end(), pcm.begin(), pcm.end());
      }
    }
    std::lock_guard<std::mutex> lock(on_decode_mutex_);
    if (on_decode_) on_decode_();
    return all;
  }

  // What a stream of these frames, alone and in order, sounds like, from frame `from` on.
  static std::vector<float> Expected(const std::vector<std::vector<int32_t>>& frames,
                                     size_t from = 0) {
    State state;
    std::vector<float> samples;
    for (size_t i = 0; i < frames.size(); ++i) {
      const std::vector<float> pcm = Next(&state, frames[i]);
      if (i >= from) samples.insert(samples.end(), pcm.begin(), pcm.end());
    }
    return samples;
  }

 private:
  struct State {
    uint64_t position = 0;
    std::deque<std::vector<int32_t>> frames = {};  // the last ones
  };

  static std::vector<float> Next(State* state, const std::vector<int32_t>& frame) {
    state->frames.push_back(frame);
    if (state->frames.size() > kReach + 1) state->frames.pop_front();
    uint64_t sum = state->position++ % 1000;
    for (const auto& known : state->frames) {
      for (const int32_t code : known) sum = (sum * 31 + static_cast<uint64_t>(code) + 1) % 65521;
    }
    std::vector<float> pcm;
    for (int i = 0; i < kFrameLength; ++i) pcm.push_back(static_cast<float>(sum) + i);
    return pcm;
  }

  std::vector<State> slots_;
  std::mutex on_decode_mutex_;
  std::function<void()> on_decode_;
  int replayed_ = 0;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_
