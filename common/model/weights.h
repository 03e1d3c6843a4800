// Weights of a checkpoint as ATen tensors.
//
// A loaded weight is a contiguous copy on the CPU in the type the caller computes in, so it does
// not keep the checkpoint's mapping alive. Any thread may call; nothing is cached.
#ifndef SHOAL_COMMON_MODEL_WEIGHTS_H_
#define SHOAL_COMMON_MODEL_WEIGHTS_H_

#include <ATen/ATen.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checkpoint/safetensors.h"

namespace shoal::model {

// Reads tensor `name` of exactly `shape` and converts it to `dtype`, kFloat or kDouble. The file
// may hold any number type; every float of 16 or 32 bits arrives without loss. The error names the
// tensor.
absl::StatusOr<at::Tensor> LoadWeight(const checkpoint::TensorStore& store, absl::string_view name,
                                      absl::Span<const int64_t> shape, at::ScalarType dtype);

}  // namespace shoal::model

#endif  // SHOAL_COMMON_MODEL_WEIGHTS_H_
