// The window-limited transformer of the codec: pre_module, post_module and the encoder's.
//
// Const after load; a stream's state is its position (a 64-bit counter, from the stream's start)
// and per layer the ring of WindowAttention. Position p is rotated by row p of the RoPE table,
// computed when it is needed, so a stream may be of any length.
#ifndef SHOAL_COMMON_CODEC_CODEC_TRANSFORMER_H_
#define SHOAL_COMMON_CODEC_CODEC_TRANSFORMER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/checkpoint/codec_config.h"
#include "common/codec/rope_rows.h"
#include "common/codec/streams.h"
#include "common/codec/weight_reader.h"
#include "common/codec/window_attention.h"
#include "common/model/feed_forward.h"
#include "common/model/linear.h"

namespace shoal::codec {

class CodecTransformer {
 public:
  // `width`: channels of what surrounds the transformer. Where it is not config.dim, linears with a
  // bias lead in and out.
  CodecTransformer(WeightReader& weights, const std::string& module,
                   const checkpoint::CodecTransformerConfig& config, int64_t width,
                   model::ProductMode mode, StateLayout& layout);

  // x: (streams, time, width) contiguous -> the same shape
  at::Tensor operator()(const Streams& streams, const at::Tensor& x) const;

  // Positions that stream `i` has run so far.
  int64_t Position(const Streams& streams, int64_t i) const {
    return streams.Counter(i, position_);
  }
  // Makes the next row of stream `i` stand there, whatever its rings hold.
  void SetPosition(const Streams& streams, int64_t i, int64_t position) const {
    streams.SetCounter(i, position_, position);
  }

 private:
  struct Layer {
    at::Tensor attention_norm;  // (dim)
    model::Linear wqkv;
    WindowAttention attention;
    model::Linear wo;  // times the attention's layer scale
    at::Tensor ffn_norm;
    model::FeedForward feed_forward;  // its w2 times the layer scale
  };

  Layer LoadLayer(WeightReader& weights, const std::string& module, model::ProductMode mode,
                  StateLayout& layout) const;
  // (streams * time, head_dim/2, 2)
  at::Tensor Rotations(const Streams& streams, const std::vector<int64_t>& positions,
                       int64_t time) const;
  // The layers and the last norm in h (streams * time, dim): float in memory taken once for all of
  // them, double as tensor operations.
  void RunFloat(const Streams& streams, const std::vector<int64_t>& positions,
                const at::Tensor& rope, at::Tensor& h) const;
  void RunDouble(const Streams& streams, const std::vector<int64_t>& positions,
                 const at::Tensor& rope, at::Tensor& h) const;

  checkpoint::CodecTransformerConfig config_;
  std::optional<model::Linear> input_proj_;
  std::vector<Layer> layers_;
  at::Tensor norm_;
  std::optional<model::Linear> output_proj_;
  RopeRows rope_;
  int64_t position_;  // the counter's place in the state row
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_CODEC_TRANSFORMER_H_
