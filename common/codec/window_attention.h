// Causal attention over a window, with the keys and values before the step in a ring.
//
// Per layer and stream the ring holds the last window - 1 positions, position p at row
// p % (window - 1). Which rows are in use follows from the stream's position alone: a row that was
// never written, or is older than the window, is not read, whatever it holds. Every position's sums
// run from its oldest key to itself, so they do not depend on how a stream is cut into steps.
#ifndef SHOAL_COMMON_CODEC_WINDOW_ATTENTION_H_
#define SHOAL_COMMON_CODEC_WINDOW_ATTENTION_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "common/codec/streams.h"

namespace shoal::codec {

class WindowAttention {
 public:
  // A window of w lets a position see itself and the w - 1 before it. Scale 1/sqrt(head_dim).
  WindowAttention(int64_t heads, int64_t head_dim, int64_t window, StateLayout& layout);

  // qkv: (streams * time, 3, heads, head_dim) contiguous, as the projection gives it: queries,
  // keys, values; rope: (streams * time, head_dim/2, 2) float. Rotates queries and keys where they
  // are. positions[i]: where stream i's first row stands, counted from the stream's start.
  // out: (streams * time, heads * head_dim), of the type of qkv. The rings then hold the new keys
  // and values.
  void operator()(const Streams& streams, const std::vector<int64_t>& positions,
                  const at::Tensor& rope, at::Tensor& qkv, at::Tensor& out) const;

 private:
  template <typename T>
  void Run(const Streams& streams, const std::vector<int64_t>& positions, int64_t time,
           const float* rope, T* qkv, T* out) const;

  int64_t heads_;
  int64_t head_dim_;
  int64_t window_;
  int64_t keys_;    // (window - 1, heads, head_dim) of the state row
  int64_t values_;  // likewise
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_WINDOW_ATTENTION_H_
