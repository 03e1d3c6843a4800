#include "services/ar_engine/model/slow_ar.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "common/checkpoint/expected_tensors.h"
#include "common/model/weights.h"

namespace shoal::engine {
namespace {

// The rows of the output head that may be drawn, in the order of the logits.
at::Tensor AllowedRows(const checkpoint::ModelConfig& config, const at::Tensor& head) {
  return at::cat({head.slice(0, config.semantic_start, config.semantic_end + 1),
                  head.slice(0, config.eos_token_id, config.eos_token_id + 1)});
}

absl::StatusOr<at::Tensor> LoadHead(const checkpoint::TensorStore& weights,
                                    const checkpoint::ModelConfig& config,
                                    const at::Tensor& token_embeddings) {
  if (config.text.tie_word_embeddings) return AllowedRows(config, token_embeddings);
  const char* name = checkpoint::kHeadName;
  if (!weights.Has(name) && weights.Has(checkpoint::kOtherHeadName)) {
    name = checkpoint::kOtherHeadName;
  }
  absl::StatusOr<at::Tensor> head =
      model::LoadWeight(weights, name, {config.text.vocab_size, config.text.dim}, at::kFloat);
  if (!head.ok()) return head.status();
  return AllowedRows(config, *head);
}

}  // namespace

SlowAr::SlowAr(const checkpoint::ModelConfig& config, at::Tensor tokens, at::Tensor codes,
               Transformer transformer, model::Linear head)
    : config_(config),
      token_embeddings_(std::move(tokens)),
      code_embeddings_(std::move(codes)),
      transformer_(std::move(transformer)),
      head_(std::move(head)) {}

absl::StatusOr<SlowAr> SlowAr::Load(const checkpoint::TensorStore& weights,
                                    const checkpoint::ModelConfig& config,
                                    model::ProductMode mode) {
  absl::StatusOr<at::Tensor> tokens =
      model::LoadWeight(weights, "text_model.model.embeddings.weight",
                        {config.text.vocab_size, config.text.dim}, at::kFloat);
  if (!tokens.ok()) return tokens.status();
  absl::StatusOr<at::Tensor> codes = model::LoadWeight(
      weights, "audio_decoder.codebook_embeddings.weight",
      {config.num_codebooks * config.audio.vocab_size, config.text.dim}, at::kFloat);
  if (!codes.ok()) return codes.status();
  absl::StatusOr<at::Tensor> head = LoadHead(weights, config, *tokens);
  if (!head.ok()) return head.status();
  absl::StatusOr<Transformer> transformer =
      Transformer::Load(weights, "text_model.model", config.text, config.text.max_seq_len, mode);
  if (!transformer.ok()) return transformer.status();
  return SlowAr(config, *std::move(tokens), *std::move(codes), *std::move(transformer),
                model::Linear(*head, std::nullopt, mode));
}

void SlowAr::Embed(absl::Span<const int32_t> token_ids, absl::Span<const int32_t> codes,
                   float* x) const {
  const int64_t dim = config_.text.dim;
  const float* token_rows = token_embeddings_.const_data_ptr<float>();
  const float* code_rows = code_embeddings_.const_data_ptr<float>();
  const float scale = std::sqrt(static_cast<float>(config_.num_codebooks + 1));
  const int32_t* frame = codes.data();
  for (const int32_t token : token_ids) {
    std::memcpy(x, token_rows + token * dim, dim * sizeof(float));
    if (token >= config_.semantic_start && token <= config_.semantic_end) {
      for (int64_t k = 0; k < config_.num_codebooks; ++k) {
        const float* code = code_rows + (k * config_.audio.vocab_size + frame[k]) * dim;
        for (int64_t i = 0; i < dim; ++i) x[i] += code[i];
      }
      for (int64_t i = 0; i < dim; ++i) x[i] /= scale;
    }
    x += dim;
    frame += config_.num_codebooks;
  }
}

}  // namespace shoal::engine
