#include "tests/reference_model/dual_ar.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace shoal::reference {
namespace {

Array FirstRow(const double* row, int64_t width) {
  Array x({1, width});
  std::copy(row, row + width, x.data.begin());
  return x;
}

}  // namespace

DualAr::DualAr(const std::string& directory)
    : config_(ValueOrThrow(checkpoint::LoadModelConfig(directory))) {
  const auto store = ValueOrThrow(checkpoint::TensorStore::Open(directory, "model"));
  const auto& text = config_.text;
  const auto& fast = config_.audio;
  text_embedding_ = Load(store, "text_model.model.embeddings.weight", {text.vocab_size, text.dim});
  code_embedding_ = Load(store, "audio_decoder.codebook_embeddings.weight",
                         {config_.num_codebooks * fast.vocab_size, text.dim});
  for (int64_t i = 0; i < text.n_layer; ++i) {
    layers_.push_back(
        LoadBlock(store, "text_model.model.layers." + std::to_string(i), ShapeOf(text)));
  }
  norm_ = Load(store, "text_model.model.norm.weight", {text.dim});
  if (text.tie_word_embeddings) {
    head_ = text_embedding_;
  } else {
    const char* name = store.Has("text_model.lm_head.weight") ? "text_model.lm_head.weight"
                                                              : "text_model.output.weight";
    head_ = Load(store, name, {text.vocab_size, text.dim});
  }

  fast_embedding_ = Load(store, "audio_decoder.embeddings.weight", {fast.vocab_size, fast.dim});
  if (fast.dim != text.dim) {
    project_in_ = Load(store, "audio_decoder.project_in.weight", {fast.dim, text.dim});
    project_in_bias_ = Load(store, "audio_decoder.project_in.bias", {fast.dim});
  }
  for (int64_t i = 0; i < fast.n_layer; ++i) {
    fast_layers_.push_back(
        LoadBlock(store, "audio_decoder.layers." + std::to_string(i), ShapeOf(fast)));
  }
  fast_norm_ = Load(store, "audio_decoder.norm.weight", {fast.dim});
  fast_head_ = Load(store, "audio_decoder.output.weight", {fast.vocab_size, fast.dim});
}

Array DualAr::Embed(const Prompt& prompt) const {
  Array x({static_cast<int64_t>(prompt.token_ids.size()), config_.text.dim});
  for (int64_t n = 0; n < x.size(0); ++n) {
    const int64_t token = prompt.token_ids[n];
    std::copy_n(text_embedding_.row(token), x.size(1), x.row(n));
    if (token < config_.semantic_start || token > config_.semantic_end) continue;
    for (int64_t k = 0; k < config_.num_codebooks; ++k) {
      const double* code = code_embedding_.row(prompt.codes[n][k] + k * config_.audio.vocab_size);
      for (int64_t i = 0; i < x.size(1); ++i) x.row(n)[i] += code[i];
    }
    for (int64_t i = 0; i < x.size(1); ++i) {
      x.row(n)[i] /= std::sqrt(static_cast<double>(config_.num_codebooks + 1));
    }
  }
  return x;
}

std::vector<Array> DualAr::Layers(const Prompt& prompt) const {
  std::vector<Array> outputs = {Embed(prompt)};
  for (const Block& layer : layers_) outputs.push_back(Forward(layer, outputs.back()));
  return outputs;
}

Array DualAr::Hidden(const Prompt& prompt) const {
  return RmsNorm(Layers(prompt).back(), norm_, config_.text.norm_eps);
}

std::vector<double> DualAr::SemanticLogits(const double* hidden) const {
  const auto logit = [&](int64_t token) {
    double sum = 0;
    for (int64_t i = 0; i < config_.text.dim; ++i) sum += hidden[i] * head_.row(token)[i];
    return sum;
  };
  std::vector<double> logits;
  for (int64_t token = config_.semantic_start; token <= config_.semantic_end; ++token) {
    logits.push_back(logit(token));
  }
  logits.push_back(logit(config_.eos_token_id));
  return logits;
}

std::vector<double> DualAr::ResidualLogits(const double* hidden,
                                           const std::vector<int64_t>& codes) const {
  const auto& fast = config_.audio;
  Array x({static_cast<int64_t>(codes.size()) + 1, fast.dim});
  const Array slow = FirstRow(hidden, config_.text.dim);
  const Array first =
      project_in_.data.empty() ? slow : MatMulTransposed(slow, project_in_, project_in_bias_);
  std::copy_n(first.row(0), fast.dim, x.row(0));
  for (size_t k = 0; k < codes.size(); ++k) {
    std::copy_n(fast_embedding_.row(codes[k]), fast.dim, x.row(k + 1));
  }
  for (const Block& layer : fast_layers_) x = Forward(layer, x);
  x = RmsNorm(x, fast_norm_, fast.norm_eps);
  return MatMulTransposed(FirstRow(x.row(codes.size()), fast.dim), fast_head_).data;
}

std::vector<std::vector<int64_t>> DualAr::Generate(Prompt prompt, int64_t max_frames,
                                                   const Chooser& choose) const {
  std::vector<std::vector<int64_t>> frames;
  std::vector<int64_t> history;
  while (static_cast<int64_t>(frames.size()) < max_frames) {
    const Array hidden = Hidden(prompt);
    const double* last = hidden.row(hidden.size(0) - 1);
    const int64_t frame = frames.size();
    const int64_t semantic = choose(SemanticLogits(last), frame, 0, history);
    if (semantic == config_.n_semantic()) break;  // the end token
    std::vector<int64_t> codes = {semantic};
    while (static_cast<int64_t>(codes.size()) < config_.num_codebooks) {
      codes.push_back(choose(ResidualLogits(last, codes), frame, codes.size(), history));
    }
    frames.push_back(codes);
    history.push_back(semantic);
    prompt.token_ids.push_back(config_.semantic_start + semantic);
    prompt.codes.push_back(codes);
  }
  return frames;
}

int64_t DualAr::Greedy(const std::vector<double>& logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace shoal::reference
