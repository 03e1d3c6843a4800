// What a decode step has to multiply, from a codec's sizes alone, and the same products as plain
// library calls to compare with.
#ifndef SHOAL_TESTS_BENCH_CODEC_WORK_H_
#define SHOAL_TESTS_BENCH_CODEC_WORK_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "common/checkpoint/codec_config.h"

namespace shoal::bench {

// (rows, inputs) times (inputs, outputs).
struct Product {
  int64_t rows;
  int64_t outputs;
  int64_t inputs;
};

// Every product with constant weights of a step of `frames` frames for `streams` streams, in order.
// A convolution counts as the product of its windows; attention and depthwise convolutions, which
// are no products of this kind, are left out.
std::vector<Product> DecodeProducts(const checkpoint::CodecConfig& config, int64_t streams,
                                    int64_t frames);

int64_t MultiplyAdds(const std::vector<Product>& products);

// The products on matrices of their own, one at::mm after the other: windows lie ready as rows,
// results go to buffers that exist, nothing else is computed.
class PlainProducts {
 public:
  explicit PlainProducts(const std::vector<Product>& products);
  void Run();

 private:
  struct Matrices {
    at::Tensor rows;
    at::Tensor weight;  // (inputs, outputs)
    at::Tensor result;
  };
  std::vector<Matrices> matrices_;
};

// Multiply-adds per second of one core that does nothing else, in its widest vectors.
double PeakMultiplyAdds();

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_CODEC_WORK_H_
