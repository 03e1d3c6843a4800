#include "services/preprocess/model/codec_reference_encoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/fingerprint.h"
#include "common/codec/dac_encoder.h"
#include "services/preprocess/errors/errors.h"

namespace shoal::preprocess {
namespace {

absl::Status Failed(absl::string_view what) {
  return WithReason(absl::InternalError(absl::StrCat("encoding the recording failed: ", what)),
                    reason::kInternal);
}

// To be raised by whoever changes what codes the encoder makes of the same samples and weights.
constexpr int kVersion = 1;

// The weights alone do not tell rates, windows and the like.
absl::StatusOr<std::string> IdentityOf(const checkpoint::Checkpoint& checkpoint,
                                       const std::string& fingerprint) {
  const absl::StatusOr<std::string> config =
      checkpoint::HashFile(checkpoint.directory() + "/codec.json");
  if (!config.ok()) return config.status();
  return absl::StrCat("dac ", kVersion, " ", fingerprint, *config);
}

}  // namespace

CodecReferenceEncoder::CodecReferenceEncoder(std::unique_ptr<const codec::DacEncoder> encoder,
                                             std::string identity)
    : encoder_(std::move(encoder)), identity_(std::move(identity)) {}

CodecReferenceEncoder::~CodecReferenceEncoder() = default;

absl::StatusOr<std::unique_ptr<CodecReferenceEncoder>> CodecReferenceEncoder::Load(
    const checkpoint::Checkpoint& checkpoint, const std::string& fingerprint, int threads) {
  try {
    at::set_num_threads(threads);
    absl::StatusOr<std::unique_ptr<const codec::DacEncoder>> encoder =
        codec::DacEncoder::Load(checkpoint, {});
    if (!encoder.ok()) return encoder.status();
    absl::StatusOr<std::string> identity = IdentityOf(checkpoint, fingerprint);
    if (!identity.ok()) return identity.status();
    return std::unique_ptr<CodecReferenceEncoder>(
        new CodecReferenceEncoder(*std::move(encoder), *std::move(identity)));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading the codec's encoder failed: ", error.what()));
  }
}

int CodecReferenceEncoder::sample_rate() const { return static_cast<int>(encoder_->sample_rate()); }

int CodecReferenceEncoder::num_codebooks() const {
  return static_cast<int>(encoder_->num_codebooks());
}

absl::StatusOr<Codes> CodecReferenceEncoder::Encode(absl::Span<const float> samples,
                                                    Watch watch) const {
  try {
    const c10::InferenceMode inference;
    const at::Tensor input =
        at::from_blob(const_cast<float*>(samples.data()), {static_cast<int64_t>(samples.size())},
                      at::TensorOptions().dtype(at::kFloat));
    const absl::StatusOr<at::Tensor> encoded =
        encoder_->Encode(input, [&](int64_t done, int64_t total) {
          return watch(static_cast<double>(done) / static_cast<double>(total));
        });
    if (absl::IsCancelled(encoded.status())) return encoded.status();
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
