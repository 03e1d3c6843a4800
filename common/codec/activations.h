// The codec's activations other than Snake, in place.
//
// In float eight at a time by fixed sequences of exactly rounded operations: an element's result
// depends on nothing but the element, and is the same on every machine. In double by the C library.
#ifndef SHOAL_COMMON_CODEC_ACTIVATIONS_H_
#define SHOAL_COMMON_CODEC_ACTIVATIONS_H_

#include <cstdint>

namespace shoal::codec {

// x = x/2 (1 + erf(x / sqrt 2)). Float: erf to 2e-7.
void Gelu(float* x, int64_t n);
void Gelu(double* x, int64_t n);

// x = tanh(x). Float: to 2e-7.
void Tanh(float* x, int64_t n);
void Tanh(double* x, int64_t n);

// Whether all are finite.
bool AllFinite(const float* x, int64_t n);
bool AllFinite(const double* x, int64_t n);

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_ACTIVATIONS_H_
