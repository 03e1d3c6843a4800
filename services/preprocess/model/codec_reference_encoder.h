// Encodes recordings with the checkpoint's own codec. The only part of the front that needs
// libtorch; its exceptions end here.
#ifndef SHOAL_SERVICES_PREPROCESS_MODEL_CODEC_REFERENCE_ENCODER_H_
#define SHOAL_SERVICES_PREPROCESS_MODEL_CODEC_REFERENCE_ENCODER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"
#include "services/preprocess/references/reference_encoder.h"

namespace shoal::codec {
class DacEncoder;
}

namespace shoal::preprocess {

class CodecReferenceEncoder final : public ReferenceEncoder {
 public:
  // REQUIRES: the checkpoint was opened with its codec. `fingerprint`: of the codec's tensors.
  // `threads` serve one recording.
  static absl::StatusOr<std::unique_ptr<CodecReferenceEncoder>> Load(
      const checkpoint::Checkpoint& checkpoint, const std::string& fingerprint, int threads);

  ~CodecReferenceEncoder() override;

  int sample_rate() const override;
  int num_codebooks() const override;
  std::string identity() const override { return identity_; }
  absl::StatusOr<Codes> Encode(absl::Span<const float> samples, Watch watch) const override;

 private:
  CodecReferenceEncoder(std::unique_ptr<const codec::DacEncoder> encoder, std::string identity);

  std::unique_ptr<const codec::DacEncoder> encoder_;
  std::string identity_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_MODEL_CODEC_REFERENCE_ENCODER_H_
