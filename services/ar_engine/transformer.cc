#include "services/ar_engine/transformer.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/model/norm.h"
#include "common/model/rope.h"
#include "common/model/weights.h"

namespace shoal::engine {
namespace {

// Loads tensors of one prefix and remembers the first error, so that a layer reads as a list.
class Loader {
 public:
  Loader(const checkpoint::TensorStore& weights, std::string prefix)
      : weights_(weights), prefix_(std::move(prefix)) {}

  // Undefined after an error.
  at::Tensor operator()(absl::string_view name, std::initializer_list<int64_t> shape) {
    if (!status_.ok()) return at::Tensor();
    absl::StatusOr<at::Tensor> tensor =
        model::LoadWeight(weights_, absl::StrCat(prefix_, name), shape, at::kFloat);
    if (tensor.ok()) return *std::move(tensor);
    status_ = tensor.status();
    return at::Tensor();
  }

  std::optional<at::Tensor> If(bool wanted, absl::string_view name,
                               std::initializer_list<int64_t> shape) {
    if (!wanted) return std::nullopt;
    return (*this)(name, shape);
  }

  const absl::Status& status() const { return status_; }

 private:
  const checkpoint::TensorStore& weights_;
  std::string prefix_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Transformer::LayerWeights> Transformer::LoadLayer(
    const checkpoint::TensorStore& weights, const std::string& prefix,
    const checkpoint::TransformerConfig& config, const at::Tensor& rope, model::ProductMode mode) {
  const int64_t head_dim = config.head_dim;
  const int64_t query_dim = config.n_head * head_dim;
  const int64_t qkv_dim = query_dim + 2 * config.n_local_heads * head_dim;
  const int64_t width = config.intermediate_size;
  Loader load(weights, prefix);
  const at::Tensor attention_norm = load("attention_norm.weight", {config.dim});
  const at::Tensor qkv = load("attention.wqkv.weight", {qkv_dim, config.dim});
  const auto qkv_bias = load.If(config.attention_qkv_bias, "attention.wqkv.bias", {qkv_dim});
  const auto query_norm = load.If(config.attention_qk_norm, "attention.q_norm.weight", {head_dim});
  const auto key_norm = load.If(config.attention_qk_norm, "attention.k_norm.weight", {head_dim});
  const at::Tensor output = load("attention.wo.weight", {config.dim, query_dim});
  const auto output_bias = load.If(config.attention_o_bias, "attention.wo.bias", {config.dim});
  const at::Tensor feed_forward_norm = load("ffn_norm.weight", {config.dim});
  const at::Tensor w1 = load("feed_forward.w1.weight", {width, config.dim});
  const at::Tensor w2 = load("feed_forward.w2.weight", {config.dim, width});
  const at::Tensor w3 = load("feed_forward.w3.weight", {width, config.dim});
  if (!load.status().ok()) return load.status();
  return LayerWeights{attention_norm,
                      model::Linear(qkv, qkv_bias, mode),
                      HeadTransform{query_norm.value_or(at::Tensor()),
                                    key_norm.value_or(at::Tensor()), config.norm_eps, rope},
                      model::Linear(output, output_bias, mode),
                      feed_forward_norm,
                      model::FeedForward(w1, w2, w3, mode)};
}

absl::StatusOr<Transformer> Transformer::Load(const checkpoint::TensorStore& weights,
                                              const std::string& prefix,
                                              const checkpoint::TransformerConfig& config,
                                              int64_t positions, model::ProductMode mode) {
  Transformer transformer;
  transformer.norm_eps_ = config.norm_eps;
  const at::Tensor rope = model::RopeTable(positions, config.head_dim, config.rope_base);
  for (int64_t i = 0; i < config.n_layer; ++i) {
    absl::StatusOr<LayerWeights> layer =
        LoadLayer(weights, absl::StrCat(prefix, ".layers.", i, "."), config, rope, mode);
    if (!layer.ok()) return layer.status();
    transformer.layers_.push_back(*std::move(layer));
  }
  absl::StatusOr<at::Tensor> norm =
      model::LoadWeight(weights, absl::StrCat(prefix, ".norm.weight"), {config.dim}, at::kFloat);
  if (!norm.ok()) return norm.status();
  transformer.norm_ = *std::move(norm);
  return transformer;
}

at::Tensor Transformer::Layer(int64_t i, const at::Tensor& x, const PagedRows& rows, KvCache& cache,
                              const at::Tensor& wanted) const {
  const LayerWeights& layer = layers_[i];
  const at::Tensor qkv = layer.qkv(model::RmsNorm(x, layer.attention_norm, norm_eps_));
  const at::Tensor q = CacheKeysAndValues(qkv, layer.transform, rows, cache.layer(i));
  const bool all = !wanted.defined();
  const at::Tensor attended =
      all ? PagedAttention(q, cache.layer(i), rows)
          : PagedAttention(q.index_select(0, wanted), cache.layer(i), rows.Select(wanted));
  const at::Tensor h = layer.output.AddTo(all ? x : x.index_select(0, wanted), attended);
  return layer.feed_forward.AddTo(h, model::RmsNorm(h, layer.feed_forward_norm, norm_eps_));
}

at::Tensor Transformer::Forward(at::Tensor x, const PagedRows& rows, KvCache& cache,
                                const at::Tensor& wanted) const {
  for (int64_t i = 0; i + 1 < n_layer(); ++i) x = Layer(i, x, rows, cache);
  return FinalNorm(Layer(n_layer() - 1, x, rows, cache, wanted));
}

at::Tensor Transformer::FinalNorm(const at::Tensor& x) const {
  return model::RmsNorm(x, norm_, norm_eps_);
}

}  // namespace shoal::engine
