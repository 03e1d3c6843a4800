// The numbers of a TensorView, converted: for tools, tests and checks over whole tensors. Model
// loading converts with its own library instead.
#ifndef SHOAL_COMMON_CHECKPOINT_TENSOR_VALUES_H_
#define SHOAL_COMMON_CHECKPOINT_TENSOR_VALUES_H_

#include <cstdint>
#include <vector>

#include "common/checkpoint/safetensors.h"

namespace shoal::checkpoint {

float HalfToFloat(uint16_t bits);
float BFloat16ToFloat(uint16_t bits);
// Round to nearest even; a NaN stays one.
uint16_t FloatToBFloat16(float value);

// Row-major values of any dtype.
std::vector<float> ToFloats(const TensorView& tensor);
// Row-major values of a whole-number or bool dtype. REQUIRES: dtype is one of those.
std::vector<int64_t> ToInt64s(const TensorView& tensor);
// False when a value of a floating dtype is infinite or not a number.
bool AllFinite(const TensorView& tensor);

}  // namespace shoal::checkpoint

#endif  // SHOAL_COMMON_CHECKPOINT_TENSOR_VALUES_H_
