// What the codec does to activations element by element or row by row other than Snake, in place.
//
// In float on vectors by fixed sequences of exactly rounded operations: a result depends on nothing
// but its element or row, and is the same on every machine. In double by plain loops.
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

// Every row of x (rows, channels) is brought to mean 0 and variance 1, then scaled and moved.
void LayerNorm(float* x, int64_t rows, int64_t channels, const float* weight, const float* bias,
               double eps);
void LayerNorm(double* x, int64_t rows, int64_t channels, const double* weight, const double* bias,
               double eps);

// Whether all are finite.
bool AllFinite(const float* x, int64_t n);
bool AllFinite(const double* x, int64_t n);

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_ACTIVATIONS_H_
