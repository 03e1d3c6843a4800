// Reads the codec's weights by name and folds weight norms.
//
// Lives as long as loading does, in one thread. The first thing that is wrong is kept in status(),
// and everything read from then on is zeros of the right shape, so that modules are built without
// asking after every tensor and the whole is judged once.
#ifndef SHOAL_COMMON_CODEC_WEIGHT_READER_H_
#define SHOAL_COMMON_CODEC_WEIGHT_READER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::codec {

class WeightReader {
 public:
  // `store` must outlive the reader. dtype is kFloat or kDouble.
  WeightReader(const checkpoint::TensorStore& store, at::ScalarType dtype)
      : store_(store), dtype_(dtype) {}

  at::Tensor Plain(const std::string& name, const std::vector<int64_t>& shape);

  // g * v / ||v||, the norm over all axes but axis 0, whatever that axis stands for.
  // `module`.parametrizations.weight.original0|1, as the convolutions have it.
  at::Tensor WeightNorm(const std::string& module, const std::vector<int64_t>& shape);
  // `module`.weight_g|weight_v, as the projections of a vector quantizer have it.
  at::Tensor OldWeightNorm(const std::string& module, const std::vector<int64_t>& shape);

  at::ScalarType dtype() const { return dtype_; }
  const absl::Status& status() const { return status_; }

 private:
  at::Tensor Fold(const std::string& gain, const std::string& direction,
                  const std::vector<int64_t>& shape);

  const checkpoint::TensorStore& store_;
  at::ScalarType dtype_;
  absl::Status status_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_WEIGHT_READER_H_
