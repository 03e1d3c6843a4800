// A small codec of random sizes and weights, and its streams decoded in many ways.
#ifndef SHOAL_TESTS_COMMON_CODEC_SMALL_CODEC_H_
#define SHOAL_TESTS_COMMON_CODEC_SMALL_CODEC_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "common/checkpoint/checkpoint.h"
#include "common/checkpoint/codec_config.h"
#include "common/codec/dac_decoder.h"
#include "common/codec/stage_tap.h"
#include "common/model/linear.h"
#include "tests/common/codec/random_codec.h"

namespace shoal::testing {

struct SmallCodec {
  explicit SmallCodec(uint32_t seed)
      : random(seed), config(RandomCodecConfig(random)), checkpoint(RandomCodec(config, seed)) {}

  std::unique_ptr<const codec::DacDecoder> Decoder(at::ScalarType dtype, model::ProductMode mode,
                                                   codec::StageTap tap = nullptr) const {
    auto decoder = codec::DacDecoder::Load(checkpoint, {dtype, mode, std::move(tap)});
    if (!decoder.ok()) throw std::runtime_error(decoder.status().ToString());
    return *std::move(decoder);
  }

  // (frames, num_codebooks) int32 or int64, some of them outside their codebooks.
  at::Tensor Codes(int64_t frames, at::ScalarType dtype = at::kInt) {
    at::Tensor codes = at::empty({frames, config.num_codebooks()}, at::kLong);
    for (int64_t i = 0; i < codes.numel(); ++i) {
      codes.mutable_data_ptr<int64_t>()[i] =
          Between(random, 0, config.quantizer.semantic_codebook_size);
    }
    return codes.to(dtype);
  }

  // Sizes of the steps in which `frames` frames are decoded.
  std::vector<int64_t> Steps(int64_t frames, int64_t largest = 9) {
    std::vector<int64_t> steps;
    for (int64_t left = frames; left > 0; left -= steps.back()) {
      steps.push_back(Between(random, 1, std::min(left, largest)));
    }
    return steps;
  }

  std::mt19937 random;
  checkpoint::CodecConfig config;
  checkpoint::Checkpoint checkpoint;
};

// Decodes codes (frames, num_codebooks) on one slot in steps of the given sizes.
inline at::Tensor DecodeInSteps(const codec::DacDecoder& decoder, at::Tensor& slab, int64_t slot,
                                const at::Tensor& codes, const std::vector<int64_t>& steps) {
  std::vector<at::Tensor> parts;
  int64_t frame = 0;
  for (const int64_t n : steps) {
    auto samples = decoder.Step(slab, {slot}, codes.narrow(0, frame, n).unsqueeze(0));
    if (!samples.ok()) throw std::runtime_error(samples.status().ToString());
    parts.push_back((*samples)[0]);
    frame += n;
  }
  return at::cat(parts);
}

inline at::Tensor DecodeAtOnce(const codec::DacDecoder& decoder, const at::Tensor& codes) {
  at::Tensor slab = decoder.NewSlab(1);
  return DecodeInSteps(decoder, slab, 0, codes, {codes.size(0)});
}

inline double Largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

}  // namespace shoal::testing

#endif  // SHOAL_TESTS_COMMON_CODEC_SMALL_CODEC_H_
