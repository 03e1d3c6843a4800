#include "common/codec/residual_quantizer.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"

namespace shoal::codec {
namespace {

constexpr double kSmallestNorm = 1e-12;

model::Linear LoadProjection(WeightReader& weights, const std::string& module, int64_t out,
                             int64_t in, model::ProductMode mode) {
  return model::Linear(weights.OldWeightNorm(module, {out, in, 1}).reshape({out, in}),
                       weights.Plain(module + ".bias", {out}), mode);
}

at::Tensor Normalised(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(kSmallestNorm);
}

}  // namespace

VectorQuantizer::VectorQuantizer(WeightReader& weights, const std::string& module, int64_t dim,
                                 int64_t codebook_dim, int64_t entries, model::ProductMode mode)
    : in_proj_(LoadProjection(weights, module + ".in_proj", codebook_dim, dim, mode)),
      out_proj_(LoadProjection(weights, module + ".out_proj", dim, codebook_dim, mode)),
      codebook_(weights.Plain(module + ".codebook.weight", {entries, codebook_dim})),
      directions_(Normalised(codebook_), std::nullopt, mode) {}

at::Tensor VectorQuantizer::Project(const at::Tensor& x) const { return in_proj_(x); }

at::Tensor VectorQuantizer::Nearest(const at::Tensor& latents) const {
  const at::Tensor scores = directions_(Normalised(latents));
  at::Tensor nearest = at::empty({scores.size(0)}, at::kLong);
  AT_DISPATCH_FLOATING_TYPES(scores.scalar_type(), "Nearest", [&] {
    const auto* row = scores.const_data_ptr<scalar_t>();
    for (int64_t i = 0; i < scores.size(0); ++i, row += entries()) {
      nearest.mutable_data_ptr<int64_t>()[i] = std::max_element(row, row + entries()) - row;
    }
  });
  return nearest;
}

at::Tensor VectorQuantizer::Decode(const at::Tensor& indices) const {
  return out_proj_(codebook_.index_select(0, indices));
}

ResidualQuantizer::ResidualQuantizer(WeightReader& weights, const std::string& module,
                                     const checkpoint::QuantizerConfig& config,
                                     model::ProductMode mode) {
  quantizers_.emplace_back(weights, module + ".semantic_quantizer.quantizers.0", config.input_dim,
                           config.codebook_dim, config.semantic_codebook_size, mode);
  for (int64_t i = 0; i < config.n_residual_codebooks; ++i) {
    quantizers_.emplace_back(weights, absl::StrCat(module, ".quantizer.quantizers.", i),
                             config.input_dim, config.codebook_dim, config.residual_codebook_size,
                             mode);
  }
}

at::Tensor ResidualQuantizer::Encode(const at::Tensor& z) const {
  std::vector<at::Tensor> codes;
  at::Tensor rest = z;
  for (const VectorQuantizer& quantizer : quantizers_) {
    codes.push_back(quantizer.Nearest(quantizer.Project(rest)));
    rest = rest - quantizer.Decode(codes.back());
  }
  return at::stack(codes, 1);
}

at::Tensor ResidualQuantizer::Decode(const at::Tensor& codes, std::vector<int64_t>* clamped) const {
  const at::Tensor wanted = codes.to(at::kLong);
  at::Tensor sum;
  for (int64_t codebook = 0; codebook < num_codebooks(); ++codebook) {
    const VectorQuantizer& quantizer = quantizers_[codebook];
    const at::Tensor column = wanted.select(1, codebook);
    const at::Tensor inside = column.clamp(0, quantizer.entries() - 1);
    if (clamped != nullptr) {
      const at::Tensor outside = column.ne(inside);
      for (int64_t i = 0; i < outside.size(0); ++i) {
        (*clamped)[i] += outside.const_data_ptr<bool>()[i] ? 1 : 0;
      }
    }
    const at::Tensor part = quantizer.Decode(inside);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

}  // namespace shoal::codec
