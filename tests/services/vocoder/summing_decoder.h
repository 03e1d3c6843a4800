// A FrameDecoder without a codec: a frame's samples follow from all codes of its stream so far, so
// a lost, doubled or misplaced frame, or a slot that was not reset, changes everything after it.
#ifndef SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_
#define SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_

#include <cmath>
#include <limits>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/vocoder/frame_decoder.h"

namespace shoal::vocoder {

class SummingDecoder final : public FrameDecoder {
 public:
  static constexpr int kCodebooks = 2;
  static constexpr int kFrameLength = 3;
  static constexpr int32_t kPoison = 666;    // decodes to a sample that is not finite
  static constexpr int32_t kBreakStep = 13;  // fails the whole step

  explicit SummingDecoder(int slots) : sums_(slots, 0) {}

  int num_slots() const override { return static_cast<int>(sums_.size()); }
  int num_codebooks() const override { return kCodebooks; }
  int frame_length() const override { return kFrameLength; }
  int sample_rate() const override { return 8000; }
  void Reset(int slot) override { sums_[slot] = 0; }

  absl::StatusOr<std::vector<DecodedFrames>> Decode(absl::Span<const int> slots, int frames,
                                                    absl::Span<const int32_t> codes) override {
    std::vector<DecodedFrames> all(slots.size());
    const int32_t* code = codes.data();
    for (size_t i = 0; i < slots.size(); ++i) {
      for (int f = 0; f < frames; ++f, code += kCodebooks) {
        if (code[0] == kBreakStep) return absl::InternalError("the step breaks");
        if (code[0] == kPoison) all[i].finite = false;
        const std::vector<float> pcm = Next(&sums_[slots[i]], {code, code + kCodebooks});
        all[i].pcm.insert(all[i].pcm.end(), pcm.begin(), pcm.end());
      }
    }
    return all;
  }

  // What a stream of these frames, alone and in order, sounds like.
  static std::vector<float> Expected(const std::vector<std::vector<int32_t>>& frames) {
    double sum = 0;
    std::vector<float> samples;
    for (const auto& frame : frames) {
      const std::vector<float> pcm = Next(&sum, frame);
      samples.insert(samples.end(), pcm.begin(), pcm.end());
    }
    return samples;
  }

 private:
  static std::vector<float> Next(double* sum, const std::vector<int32_t>& frame) {
    std::vector<float> pcm;
    for (const int32_t code : frame) *sum = std::fmod(*sum * 31 + code + 1, 65521);
    for (int i = 0; i < kFrameLength; ++i) pcm.push_back(static_cast<float>(*sum + i));
    return pcm;
  }

  std::vector<double> sums_;
};

}  // namespace shoal::vocoder

#endif  // SHOAL_TESTS_SERVICES_VOCODER_SUMMING_DECODER_H_
