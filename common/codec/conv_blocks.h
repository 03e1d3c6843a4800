// What the codec's convolutional stages are built of: residual units, the blocks of encoder and
// decoder, and ConvNeXt.
//
// Channels-last, const after load, state in the streams' rows: see streaming_conv.h.
#ifndef SHOAL_COMMON_CODEC_CONV_BLOCKS_H_
#define SHOAL_COMMON_CODEC_CONV_BLOCKS_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/codec/streaming_conv.h"
#include "common/codec/streams.h"
#include "common/codec/weight_reader.h"
#include "common/model/linear.h"

namespace shoal::codec {

// x + conv k1(Snake(conv k7 of some dilation(Snake(x)))).
class ResidualUnit {
 public:
  ResidualUnit(WeightReader& weights, const std::string& module, int64_t channels, int64_t dilation,
               StateLayout& layout);

  // x: (streams, time, channels) -> the same shape
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;
  // The same in x's own place.
  void InPlace(const Streams& streams, at::Tensor& x) const;

 private:
  at::Tensor Hidden(const Streams& streams, const at::Tensor& x) const;

  Snake first_snake_;
  StreamingConv dilated_;
  Snake second_snake_;
  StreamingConv pointwise_;
};

// Residual units of dilations 1, 3 and 9, in this order wherever they occur.
std::vector<ResidualUnit> LoadResidualUnits(WeightReader& weights, const std::string& block,
                                            int first_index, int64_t channels, StateLayout& layout);

// Residual units, Snake, and a convolution of kernel 2 * stride that doubles the channels.
class EncoderBlock {
 public:
  // Reads `module`.block.0 to 4.
  EncoderBlock(WeightReader& weights, const std::string& module, int64_t in, int64_t stride,
               StateLayout& layout);

  // x: (streams, time, in), time a multiple of stride -> (streams, time / stride, 2 * in)
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;

 private:
  void Piece(const Streams& streams, const at::Tensor& x, at::Tensor& y) const;

  int64_t in_;
  int64_t stride_;
  std::vector<ResidualUnit> units_;
  Snake snake_;
  StreamingConv down_;
};

// Snake, a transposed convolution of kernel 2 * stride that halves the channels, residual units.
class DecoderBlock {
 public:
  // Reads `module`.block.0 to 4.
  DecoderBlock(WeightReader& weights, const std::string& module, int64_t in, int64_t stride,
               StateLayout& layout);

  // x: (streams, time, in) -> (streams, time * stride, in / 2)
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;

 private:
  void Piece(const Streams& streams, const at::Tensor& x, at::Tensor& y) const;

  int64_t in_;
  int64_t stride_;
  Snake snake_;
  StreamingConv up_;
  std::vector<ResidualUnit> units_;
};

// x + gamma * linear(GELU(linear x4(LayerNorm(depthwise conv k7(x))))).
class ConvNext {
 public:
  ConvNext(WeightReader& weights, const std::string& module, int64_t channels,
           model::ProductMode mode, StateLayout& layout);

  // x: (streams, time, channels) -> the same shape
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;

 private:
  DepthwiseConv depthwise_;
  at::Tensor norm_weight_;  // (channels)
  at::Tensor norm_bias_;    // (channels)
  model::Linear widen_;
  model::Linear narrow_;  // times gamma
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_CONV_BLOCKS_H_
