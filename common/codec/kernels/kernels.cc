#include "common/codec/kernels/kernels.h"

#include "common/codec/kernels/kernels_by_unit.h"

namespace shoal::codec {

VectorUnit BestVectorUnit() {
  return __builtin_cpu_supports("avx512f") ? VectorUnit::kAvx512 : VectorUnit::kAvx2;
}

template <>
const Kernels<float>& KernelsFor<float>(VectorUnit unit) {
  return unit == VectorUnit::kAvx512 ? kFloatAvx512 : kFloatAvx2;
}

template <>
const Kernels<double>& KernelsFor<double>(VectorUnit) {
  return kDoubleAvx2;
}

}  // namespace shoal::codec
