// Causal convolutions whose left context is explicit state.
//
// Activations are channels-last: (streams, time, channels), the last two axes contiguous. A module
// reserves its part of a stream's state row at load and is const from then on; what it is called
// with tells it whose state to read and to move forward. Running a signal in any number of steps of
// any sizes gives, bit for bit, what one step over the whole gives.
#ifndef SHOAL_COMMON_CODEC_STREAMING_CONV_H_
#define SHOAL_COMMON_CODEC_STREAMING_CONV_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "common/codec/snake.h"
#include "common/codec/streams.h"
#include "common/codec/weight_reader.h"
#include "common/codec/window_matrix.h"

namespace shoal::codec {

// A causal convolution, or a transposed one in the form of a causal one.
//
// State: the last (kernel-1)*dilation + 1 - stride input rows; a stream begins with zeros, which is
// the padding. A transposed convolution of stride s computes, from the last ceil(kernel/s) inputs,
// the s outputs that begin at the newest one: a causal convolution to s * out channels, whose rows
// are those outputs in order. Its state is ceil(kernel/s) - 1 input rows, and the kernel - s
// samples that a whole-signal implementation cuts off on the right never come to be.
class StreamingConv {
 public:
  struct Sizes {
    int64_t in;
    int64_t out;
    int64_t kernel;
    int64_t dilation = 1;
    int64_t stride = 1;
  };
  enum class Norm { kPlain, kWeightNorm };

  // Reads `module`.conv.* . Causal: weight (out, in, kernel), time shrinks by the stride.
  static StreamingConv Causal(WeightReader& weights, const std::string& module, Sizes sizes,
                              Norm norm, StateLayout& layout);
  // Weight (in, out, kernel), time grows by the stride. REQUIRES: dilation == 1.
  static StreamingConv Transposed(WeightReader& weights, const std::string& module, Sizes sizes,
                                  Norm norm, StateLayout& layout);

  // What may be done on the way.
  struct Extras {
    const Snake* before = nullptr;         // applied to x
    const Snake* after = nullptr;          // applied to the result; REQUIRES: Causal
    const at::Tensor* residual = nullptr;  // or added to it; may be where the result goes
  };

  // x: (streams, time, in), time a multiple of a causal convolution's stride -> (streams, time',
  // out). Of all tensors the last two axes are contiguous.
  at::Tensor operator()(const Streams& streams, const at::Tensor& x, const Extras& extras) const;
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;
  // The same to where the caller says.
  void To(const Streams& streams, const at::Tensor& x, const Extras& extras, at::Tensor& y) const;

  int64_t context() const { return context_; }  // input rows kept as state

 private:
  StreamingConv(WindowMatrix matrix, int64_t in, WindowMatrix::Window window, int64_t context,
                int64_t interleave, int64_t state)
      : matrix_(std::move(matrix)),
        in_(in),
        window_(window),
        context_(context),
        interleave_(interleave),
        state_(state) {}

  at::Tensor WithContext(const Streams& streams, const at::Tensor& x, const Snake* snake) const;

  WindowMatrix matrix_;
  int64_t in_;
  WindowMatrix::Window window_;
  int64_t context_;
  int64_t interleave_;  // outputs of one window in a row of time: 1, or a transposed one's stride
  int64_t state_;       // (context, in) of the state row
};

// A causal convolution of every channel with its own kernel, stride 1. State as above.
class DepthwiseConv {
 public:
  // Reads `module`.conv.weight (channels, 1, kernel) and .bias.
  DepthwiseConv(WeightReader& weights, const std::string& module, int64_t channels, int64_t kernel,
                StateLayout& layout);

  // x: (streams, time, channels) -> the same shape
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;

 private:
  int64_t channels_;
  int64_t kernel_;
  at::Tensor weight_;  // (kernel, channels)
  at::Tensor bias_;    // (channels)
  int64_t state_;      // (kernel - 1, channels) of the state row
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_STREAMING_CONV_H_
