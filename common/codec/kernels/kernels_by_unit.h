// The tables that KernelsFor chooses from; private to the kernels.
#ifndef SHOAL_COMMON_CODEC_KERNELS_KERNELS_BY_UNIT_H_
#define SHOAL_COMMON_CODEC_KERNELS_KERNELS_BY_UNIT_H_

#include "common/codec/kernels/kernels.h"

namespace shoal::codec {

extern const Kernels<float> kFloatAvx2;
extern const Kernels<double> kDoubleAvx2;  // for tests of the logic: it has no wider twin
extern const Kernels<float> kFloatAvx512;

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_KERNELS_KERNELS_BY_UNIT_H_
