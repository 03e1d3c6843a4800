// Codes to vectors and back: one vector quantizer a codebook, the semantic one first, each of the
// rest coding what the ones before it left.
//
// Const after load; stateless, so frames may come in any order and any batch.
#ifndef SHOAL_COMMON_CODEC_RESIDUAL_QUANTIZER_H_
#define SHOAL_COMMON_CODEC_RESIDUAL_QUANTIZER_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/checkpoint/codec_config.h"
#include "common/codec/weight_reader.h"
#include "common/model/linear.h"

namespace shoal::codec {

// One codebook in a space of few dimensions, with projections into that space and out of it.
class VectorQuantizer {
 public:
  VectorQuantizer(WeightReader& weights, const std::string& module, int64_t dim,
                  int64_t codebook_dim, int64_t entries, model::ProductMode mode);

  // (n, dim) -> (n, codebook_dim), not normalised
  at::Tensor Project(const at::Tensor& x) const;
  // The entry nearest in direction to every row, the lowest of equals: (n, codebook_dim) -> (n)
  // int64
  at::Tensor Nearest(const at::Tensor& latents) const;
  // (n) int64 below entries() -> (n, dim)
  at::Tensor Decode(const at::Tensor& indices) const;

  int64_t entries() const { return codebook_.size(0); }
  const at::Tensor& codebook() const { return codebook_; }

 private:
  model::Linear in_proj_;
  model::Linear out_proj_;
  at::Tensor codebook_;       // (entries, codebook_dim)
  model::Linear directions_;  // the entries normalised: scores of every entry
};

class ResidualQuantizer {
 public:
  ResidualQuantizer(WeightReader& weights, const std::string& module,
                    const checkpoint::QuantizerConfig& config, model::ProductMode mode);

  // z: (n, dim) -> codes (n, num_codebooks) int64. REQUIRES: z is finite.
  at::Tensor Encode(const at::Tensor& z) const;

  // codes: (n, num_codebooks) int32 or int64 contiguous -> (n, dim). A code outside its codebook
  // becomes the nearest one inside; clamped, when given, has the number of those of every row added
  // to it.
  at::Tensor Decode(const at::Tensor& codes, std::vector<int64_t>* clamped = nullptr) const;

  int64_t num_codebooks() const { return static_cast<int64_t>(quantizers_.size()); }
  const VectorQuantizer& quantizer(int64_t codebook) const { return quantizers_[codebook]; }

 private:
  std::vector<VectorQuantizer> quantizers_;
  model::Linear out_projs_;  // of all quantizers side by side: the sum of what they put out
};

}  // namespace shoal::codec

#endif  // SHOAL_COMMON_CODEC_RESIDUAL_QUANTIZER_H_
