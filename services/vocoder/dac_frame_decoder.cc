#include "services/vocoder/dac_frame_decoder.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace shoal::vocoder {

absl::StatusOr<std::unique_ptr<DacFrameDecoder>> DacFrameDecoder::Load(
    const checkpoint::Checkpoint& checkpoint, const Options& options) {
  auto decoder = codec::DacDecoder::Load(checkpoint, {.dtype = at::kFloat, .mode = options.mode});
  if (!decoder.ok()) return decoder.status();
  return std::unique_ptr<DacFrameDecoder>(
      new DacFrameDecoder(*std::move(decoder), options.num_slots));
}

DacFrameDecoder::DacFrameDecoder(std::unique_ptr<const codec::DacDecoder> decoder, int num_slots)
    : decoder_(std::move(decoder)), slab_(decoder_->NewSlab(num_slots)) {}

absl::Status DacFrameDecoder::Replay(int slot, absl::Span<const int32_t> codes, int to_follow) {
  try {
    const c10::InferenceMode inference;
    const auto frames = static_cast<int64_t>(codes.size()) / num_codebooks();
    const at::Tensor input = at::from_blob(const_cast<int32_t*>(codes.data()),
                                           {frames, num_codebooks()}, at::TensorOptions(at::kInt));
    return decoder_->Replay(slab_, slot, input, to_follow);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("replaying: ", error.what()));
  }
}

absl::StatusOr<std::vector<DecodedFrames>> DacFrameDecoder::Decode(
    absl::Span<const int> slots, int frames, absl::Span<const int32_t> codes) {
  // ATen's exceptions end here.
  try {
    const c10::InferenceMode inference;
    const auto batch = static_cast<int64_t>(slots.size());
    const std::vector<int64_t> rows(slots.begin(), slots.end());
    const at::Tensor input =
        at::from_blob(const_cast<int32_t*>(codes.data()), {batch, frames, num_codebooks()},
                      at::TensorOptions(at::kInt));
    codec::StepReport report;
    const auto samples = decoder_->Step(slab_, rows, input, &report);
    if (!samples.ok()) return samples.status();
    const at::Tensor pcm = samples->contiguous();
    const float* data = pcm.const_data_ptr<float>();
    std::vector<DecodedFrames> decoded(slots.size());
    for (int64_t i = 0; i < batch; ++i) {
      decoded[i].pcm.assign(data + i * pcm.size(1), data + (i + 1) * pcm.size(1));
      decoded[i].finite = report.finite[i];
      decoded[i].clamped = report.clamped[i];
    }
    return decoded;
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("decoding: ", error.what()));
  }
}

}  // namespace shoal::vocoder
