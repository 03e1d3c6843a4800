// Snake, the activation of the codec's convolutional stages.
#ifndef SHOAL_COMMON_CODEC_SNAKE_H_
#define SHOAL_COMMON_CODEC_SNAKE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "common/codec/weight_reader.h"

namespace shoal::codec {

// y = x + sin^2(alpha x) / (alpha + 1e-9), per channel. Stateless and const after load.
class Snake {
 public:
  // Reads `module`.alpha of shape (1, channels, 1).
  Snake(WeightReader& weights, const std::string& module, int64_t channels);

  // x: (..., channels) contiguous -> a new tensor like x.
  at::Tensor operator()(const at::Tensor& x) const;
  // The same for `rows` rows between raw buffers of the weights' type, which may be one buffer.
  void Apply(const void* x, void* y, int64_t rows) const;

  // (channels) and more, of the weights' type: alpha, and 1 / (alpha + 1e-9).
  const at::Tensor& alpha() const { return alpha_; }
  const at::Tensor& inverse() const { return inverse_; }

 private:
  int64_t channels_;
  // Repeated until they fill whole vectors: rows of few channels are worked on several at a time.
  at::Tensor alpha_;
  at::Tensor inverse_;
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_SNAKE_H_
