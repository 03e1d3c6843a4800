#include "services/preprocess/codec_reference_encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/codec/dac_encoder.h"
#include "services/preprocess/errors.h"

namespace shoal::preprocess {
namespace {

absl::Status Failed(absl::string_view what) {
  return WithReason(absl::InternalError(absl::StrCat("encoding the recording failed: ", what)),
                    reason::kInternal);
}

}  // namespace

CodecReferenceEncoder::CodecReferenceEncoder(std::unique_ptr<const codec::DacEncoder> encoder)
    : encoder_(std::move(encoder)) {}

CodecReferenceEncoder::~CodecReferenceEncoder() = default;

absl::StatusOr<std::unique_ptr<CodecReferenceEncoder>> CodecReferenceEncoder::Load(
    const checkpoint::Checkpoint& checkpoint, int threads) {
  try {
    at::set_num_threads(threads);
    absl::StatusOr<std::unique_ptr<const codec::DacEncoder>> encoder =
        codec::DacEncoder::Load(checkpoint, {});
    if (!encoder.ok()) return encoder.status();
    return std::unique_ptr<CodecReferenceEncoder>(new CodecReferenceEncoder(*std::move(encoder)));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading the codec's encoder failed: ", error.what()));
  }
}

int CodecReferenceEncoder::sample_rate() const { return static_cast<int>(encoder_->sample_rate()); }

absl::StatusOr<Codes> CodecReferenceEncoder::Encode(absl::Span<const float> samples) const {
  try {
    const c10::InferenceMode inference;
    const at::Tensor input =
        at::from_blob(const_cast<float*>(samples.data()), {static_cast<int64_t>(samples.size())},
                      at::TensorOptions().dtype(at::kFloat));
    const absl::StatusOr<at::Tensor> encoded = encoder_->Encode(input);
    if (!encoded.ok()) return Failed(encoded.status().message());
    const at::Tensor codes = encoded->to(at::kInt).contiguous();
    Codes out;
    out.frames = codes.size(1);
    out.values.assign(codes.data_ptr<int32_t>(), codes.data_ptr<int32_t>() + codes.numel());
    return out;
  } catch (const std::exception& error) {
    return Failed(error.what());
  }
}

}  // namespace shoal::preprocess
