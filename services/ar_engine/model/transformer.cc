#include "services/ar_engine/model/transformer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/model/rope.h"
#include "common/model/row_kernels.h"
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

// Moves the rows at `wanted` to the front. x: (rows, width)
void KeepRows(absl::Span<const int32_t> wanted, int64_t width, float* x) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(x + wanted[i] * width, width, x + static_cast<int64_t>(i) * width);
  }
}

PagedRows Select(const PagedRows& rows, absl::Span<const int32_t> wanted,
                 Activations& activations) {
  activations.position.clear();
  activations.sequence.clear();
  for (const int32_t row : wanted) {
    activations.position.push_back(rows.position[row]);
    activations.sequence.push_back(rows.sequence[row]);
  }
  return {activations.position, activations.sequence, rows.block_tables, rows.blocks};
}

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
  transformer.dim_ = config.dim;
  transformer.heads_ = config.n_head;
  transformer.head_dim_ = config.head_dim;
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

const float* Transformer::Norm(const at::Tensor& weight, int64_t rows,
                               Activations& activations) const {
  const float* x = activations.x.Get(rows * dim_);
  float* normed = activations.normed.Get(rows * dim_);
  for (int64_t row = 0; row < rows; ++row) {
    model::RmsNormRow(x + row * dim_, weight.const_data_ptr<float>(), dim_, norm_eps_,
                      normed + row * dim_);
  }
  return normed;
}

void Transformer::Layer(int64_t i, const PagedRows& rows,
                        std::optional<absl::Span<const int32_t>> wanted, KvCache& cache,
                        Activations& activations) const {
  const LayerWeights& layer = layers_[i];
  const int64_t width = heads_ * head_dim_;
  float* qkv = activations.qkv.Get(rows.size() * layer.qkv.out_features());
  layer.qkv.Multiply(Norm(layer.attention_norm, rows.size(), activations), rows.size(), nullptr,
                     qkv);
  float* query = activations.query.Get(rows.size() * width);
  CacheKeysAndValues(qkv, heads_, layer.transform, rows, cache.layer(i), query);

  float* x = activations.x.Get(rows.size() * dim_);
  PagedRows left = rows;
  if (wanted.has_value() && static_cast<int64_t>(wanted->size()) < rows.size()) {
    KeepRows(*wanted, dim_, x);
    KeepRows(*wanted, width, query);
    left = Select(rows, *wanted, activations);
  }
  const int64_t n = left.size();
  float* attended = activations.attended.Get(n * width);
  PagedAttention(query, heads_, cache.layer(i), left, attended);
  layer.output.Multiply(attended, n, x, x);
  float* scratch = activations.feed_forward.Get(n * layer.feed_forward.scratch_width());
  layer.feed_forward.AddTo(Norm(layer.feed_forward_norm, n, activations), n, scratch, x);
}

const float* Transformer::Forward(const PagedRows& rows, absl::Span<const int32_t> wanted,
                                  KvCache& cache, Activations& activations) const {
  for (int64_t i = 0; i + 1 < n_layer(); ++i) Layer(i, rows, std::nullopt, cache, activations);
  Layer(n_layer() - 1, rows, wanted, cache, activations);
  return FinalNorm(static_cast<int64_t>(wanted.size()), activations);
}

const float* Transformer::FinalNorm(int64_t rows, Activations& activations) const {
  return Norm(norm_, rows, activations);
}

}  // namespace shoal::engine
