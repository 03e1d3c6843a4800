#include "common/codec/residual_quantizer.h"

#include <ATen/Dispatch.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
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

std::string QuantizerName(const std::string& module, int64_t codebook) {
  return codebook == 0 ? module + ".semantic_quantizer.quantizers.0"
                       : absl::StrCat(module, ".quantizer.quantizers.", codebook - 1);
}

model::Linear LoadOutProjections(WeightReader& weights, const std::string& module,
                                 const checkpoint::QuantizerConfig& config,
                                 model::ProductMode mode) {
  const int64_t dim = config.input_dim;
  std::vector<at::Tensor> parts;
  at::Tensor bias = at::zeros({dim}, weights.dtype());
  for (int64_t i = 0; i < 1 + config.n_residual_codebooks; ++i) {
    const std::string projection = QuantizerName(module, i) + ".out_proj";
    parts.push_back(weights.OldWeightNorm(projection, {dim, config.codebook_dim, 1})
                        .reshape({dim, config.codebook_dim}));
    bias = bias + weights.Plain(projection + ".bias", {dim});
  }
  return model::Linear(at::cat(parts, 1), bias, mode);
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
                                     model::ProductMode mode)
    : out_projs_(LoadOutProjections(weights, module, config, mode)) {
  for (int64_t i = 0; i < 1 + config.n_residual_codebooks; ++i) {
    quantizers_.emplace_back(
        weights, QuantizerName(module, i), config.input_dim, config.codebook_dim,
        i == 0 ? config.semantic_codebook_size : config.residual_codebook_size, mode);
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
  const int64_t rows = codes.size(0);
  const int64_t width = quantizers_[0].codebook().size(1);
  at::Tensor entries =
      at::empty({rows, num_codebooks() * width}, quantizers_[0].codebook().scalar_type());
  auto* to = static_cast<std::byte*>(entries.data_ptr());
  const size_t bytes = width * entries.element_size();
  AT_DISPATCH_INDEX_TYPES(codes.scalar_type(), "Decode", [&] {
    const auto* code = codes.const_data_ptr<index_t>();
    for (int64_t row = 0; row < rows; ++row) {
      for (const VectorQuantizer& quantizer : quantizers_) {
        const int64_t wanted = *code++;
        const int64_t inside = std::clamp<int64_t>(wanted, 0, quantizer.entries() - 1);
        if (clamped != nullptr && inside != wanted) ++(*clamped)[row];
        const auto* codebook = static_cast<const std::byte*>(quantizer.codebook().const_data_ptr());
        std::memcpy(to, codebook + inside * bytes, bytes);
        to += bytes;
      }
    }
  });
  return out_projs_(entries);
}

}  // namespace shoal::codec
