// Encodes recordings with the checkpoint's own codec. The only part of the front that needs
// libtorch; its exceptions end here.
#ifndef SHOAL_SERVICES_PREPROCESS_CODEC_REFERENCE_ENCODER_H_
#define SHOAL_SERVICES_PREPROCESS_CODEC_REFERENCE_ENCODER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"
#include "services/preprocess/reference_encoder.h"

namespace shoal::codec {
class DacEncoder;
}

namespace shoal::preprocess {

class CodecReferenceEncoder final : public ReferenceEncoder {
 public:
  // REQUIRES: the checkpoint was opened with its codec. `threads` serve one recording.
  static absl::StatusOr<std::unique_ptr<CodecReferenceEncoder>> Load(
      const checkpoint::Checkpoint& checkpoint, int threads);

  ~CodecReferenceEncoder() override;

  int sample_rate() const override;
  absl::StatusOr<Codes> Encode(absl::Span<const float> samples) const override;

 private:
  explicit CodecReferenceEncoder(std::unique_ptr<const codec::DacEncoder> encoder);

  std::unique_ptr<const codec::DacEncoder> encoder_;
};

}  // namespace shoal::preprocess

#endif  // SHOAL_SERVICES_PREPROCESS_CODEC_REFERENCE_ENCODER_H_
