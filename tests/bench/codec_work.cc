#include "tests/bench/codec_work.h"

#include <immintrin.h>

#include <algorithm>

#include "tests/bench/figures.h"

namespace shoal::bench {
namespace {

using checkpoint::CodecConfig;

constexpr int64_t kOuterKernel = 7;
constexpr int kChains = 16;  // more than latency times issue of any machine with two multipliers
constexpr int64_t kPeakRounds = 1 << 16;

[[gnu::target("avx512f")]] float FusedChains512() {
  __m512 sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 factor = _mm512_set1_ps(0.999f);
  for (int64_t round = 0; round < kPeakRounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
  }
  for (int i = 1; i < kChains; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

float FusedChains256() {
  __m256 sums[kChains - 4];
  for (int i = 0; i < kChains - 4; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 factor = _mm256_set1_ps(0.999f);
  for (int64_t round = 0; round < kPeakRounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains - 4; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
  }
  for (int i = 1; i < kChains - 4; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

void AddTransformer(const checkpoint::CodecTransformerConfig& config, int64_t width, int64_t rows,
                    std::vector<Product>& products) {
  const int64_t inner = config.n_head * config.head_dim;
  if (width != config.dim) products.push_back({rows, config.dim, width});
  for (int64_t i = 0; i < config.n_layer; ++i) {
    products.push_back({rows, 3 * inner, config.dim});
    products.push_back({rows, config.dim, inner});
    products.push_back({rows, 2 * config.intermediate_size, config.dim});
    products.push_back({rows, config.dim, config.intermediate_size});
  }
  if (width != config.dim) products.push_back({rows, width, config.dim});
}

}  // namespace

std::vector<Product> DecodeProducts(const CodecConfig& config, int64_t streams, int64_t frames) {
  std::vector<Product> products;
  int64_t rows = streams * frames;
  const int64_t latent = config.latent_dim;
  for (int64_t i = 0; i < config.num_codebooks(); ++i) {
    products.push_back({rows, latent, config.quantizer.codebook_dim});
  }
  AddTransformer(config.quantizer_transformer, latent, rows, products);
  const std::vector<int64_t>& factors = config.quantizer.downsample_factor;
  for (auto factor = factors.rbegin(); factor != factors.rend(); ++factor) {
    products.push_back({rows, *factor * latent, latent});
    rows *= *factor;
    products.push_back({rows, 4 * latent, latent});
    products.push_back({rows, latent, 4 * latent});
  }
  products.push_back({rows, config.decoder_dim, kOuterKernel * latent});
  int64_t channels = config.decoder_dim;
  for (const int64_t rate : config.decoder_rates) {
    products.push_back({rows, rate * channels / 2, 2 * channels});
    rows *= rate;
    channels /= 2;
    for (int unit = 0; unit < 3; ++unit) {
      products.push_back({rows, channels, kOuterKernel * channels});
      products.push_back({rows, channels, channels});
    }
  }
  products.push_back({rows, 1, kOuterKernel * channels});
  return products;
}

int64_t MultiplyAdds(const std::vector<Product>& products) {
  int64_t sum = 0;
  for (const Product& product : products) sum += product.rows * product.outputs * product.inputs;
  return sum;
}

PlainProducts::PlainProducts(const std::vector<Product>& products) {
  for (const Product& product : products) {
    matrices_.push_back({at::rand({product.rows, product.inputs}),
                         at::rand({product.inputs, product.outputs}),
                         at::empty({product.rows, product.outputs})});
  }
}

void PlainProducts::Run() {
  for (Matrices& matrices : matrices_) {
    at::mm_out(matrices.result, matrices.rows, matrices.weight);
  }
}

double PeakMultiplyAdds() {
  const bool wide = __builtin_cpu_supports("avx512f") != 0;
  const double products =
      static_cast<double>(kPeakRounds) * (wide ? kChains * 16 : (kChains - 4) * 8);
  double best = 0;
  for (int i = 0; i < 50; ++i) {
    const double begin = ComputeSeconds(1);
    volatile float sum = wide ? FusedChains512() : FusedChains256();
    static_cast<void>(sum);
    best = std::max(best, products / (ComputeSeconds(1) - begin));
  }
  return best;
}

}  // namespace shoal::bench
