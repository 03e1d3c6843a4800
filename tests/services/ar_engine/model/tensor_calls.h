// The model's functions on rows as functions of tensors, for tests that compute with tensors.
#ifndef SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_TENSOR_CALLS_H_
#define SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_TENSOR_CALLS_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/types/span.h"
#include "services/ar_engine/model/fast_ar.h"
#include "services/ar_engine/model/paged_attention.h"
#include "services/ar_engine/model/slow_ar.h"
#include "services/ar_engine/model/transformer.h"

namespace shoal::engine {

// int32, contiguous
inline absl::Span<const int32_t> Ints(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<int32_t>(), static_cast<size_t>(tensor.numel())};
}

// rows: contiguous float32
inline at::Tensor CopyOf(const float* rows, at::IntArrayRef sizes) {
  at::Tensor copy = at::empty(sizes, at::TensorOptions(at::kFloat));
  std::copy_n(rows, copy.numel(), copy.mutable_data_ptr<float>());
  return copy;
}

// PagedRows with an owner.
struct RowTensors {
  at::Tensor position;      // (rows) int32
  at::Tensor sequence;      // (rows) int32
  at::Tensor block_tables;  // (sequences, blocks) int32

  PagedRows places() const {
    return {Ints(position), Ints(sequence), Ints(block_tables), block_tables.size(1)};
  }
};

// A pass over x (rows, dim): the rows at `wanted`, or all.
class Pass {
 public:
  Pass(const Transformer& transformer, const at::Tensor& x) : transformer_(transformer) {
    const at::Tensor rows = x.contiguous();
    std::copy_n(rows.const_data_ptr<float>(), rows.numel(), activations_.x.Get(rows.numel()));
  }

  at::Tensor Forward(const PagedRows& rows, absl::Span<const int32_t> wanted, KvCache& cache) {
    return CopyOf(transformer_.Forward(rows, wanted, cache, activations_),
                  {static_cast<int64_t>(wanted.size()), transformer_.dim()});
  }
  at::Tensor Forward(const PagedRows& rows, KvCache& cache) {
    const at::Tensor all = at::arange(rows.size(), at::TensorOptions(at::kInt));
    return Forward(rows, Ints(all), cache);
  }
  // Layer i on what the layers before left: (rows, dim)
  at::Tensor Layer(int64_t i, const PagedRows& rows, KvCache& cache) {
    transformer_.Layer(i, rows, std::nullopt, cache, activations_);
    return CopyOf(activations_.x.Get(0), {rows.size(), transformer_.dim()});
  }
  at::Tensor FinalNorm(int64_t rows) {
    return CopyOf(transformer_.FinalNorm(rows, activations_), {rows, transformer_.dim()});
  }

 private:
  const Transformer& transformer_;
  Activations activations_;
};

// token_ids: (rows) int32, codes: (rows, num_codebooks) int32 -> (rows, dim)
inline at::Tensor Embed(const SlowAr& slow, const at::Tensor& token_ids, const at::Tensor& codes) {
  at::Tensor x =
      at::empty({token_ids.size(0), slow.transformer().dim()}, at::TensorOptions(at::kFloat));
  slow.Embed(Ints(token_ids.contiguous()), Ints(codes.contiguous()), x.mutable_data_ptr<float>());
  return x;
}

// hidden: (rows, dim) -> (rows, n_logits)
inline at::Tensor Logits(const SlowAr& slow, const at::Tensor& hidden) {
  at::Tensor logits = at::empty({hidden.size(0), slow.n_logits()}, hidden.options());
  slow.Logits(hidden.contiguous().const_data_ptr<float>(), hidden.size(0),
              logits.mutable_data_ptr<float>());
  return logits;
}

// Logits of codebook k + 1 after the codes (frames) of codebook k: (frames, entries)
inline at::Tensor ResidualLogits(const FastAr& fast, int64_t k, const at::Tensor& hidden,
                                 absl::Span<const int32_t> codes, FastFrames& frames) {
  const at::Tensor rows = hidden.contiguous();
  const float* logits = k == 0 ? fast.First(rows.const_data_ptr<float>(), codes, frames)
                               : fast.Next(k, codes, frames);
  return CopyOf(logits, {static_cast<int64_t>(codes.size()), fast.n_logits()});
}

}  // namespace shoal::engine

#endif  // SHOAL_TESTS_SERVICES_AR_ENGINE_MODEL_TENSOR_CALLS_H_
