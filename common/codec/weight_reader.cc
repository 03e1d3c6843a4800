#include "common/codec/weight_reader.h"

#include "common/model/weights.h"

namespace shoal::codec {

at::Tensor WeightReader::Plain(const std::string& name, const std::vector<int64_t>& shape) {
  if (status_.ok()) {
    absl::StatusOr<at::Tensor> weight = model::LoadWeight(store_, name, shape, dtype_);
    if (weight.ok()) return *std::move(weight);
    status_ = weight.status();
  }
  return at::zeros(shape, dtype_);
}

at::Tensor WeightReader::WeightNorm(const std::string& module, const std::vector<int64_t>& shape) {
  const std::string parameter = module + ".parametrizations.weight.original";
  return Fold(parameter + "0", parameter + "1", shape);
}

at::Tensor WeightReader::OldWeightNorm(const std::string& module,
                                       const std::vector<int64_t>& shape) {
  return Fold(module + ".weight_g", module + ".weight_v", shape);
}

at::Tensor WeightReader::Fold(const std::string& gain, const std::string& direction,
                              const std::vector<int64_t>& shape) {
  std::vector<int64_t> gain_shape(shape.size(), 1);
  gain_shape[0] = shape[0];
  const at::Tensor g = Plain(gain, gain_shape);
  const at::Tensor v = Plain(direction, shape);
  const at::Tensor norm = v.reshape({shape[0], -1}).norm(2, {1}).reshape(gain_shape);
  return g * v / norm;
}

}  // namespace shoal::codec
