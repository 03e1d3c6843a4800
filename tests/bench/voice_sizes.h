// Models of the sizes that benchmarks look at, with random weights.
#ifndef SHOAL_TESTS_BENCH_VOICE_SIZES_H_
#define SHOAL_TESTS_BENCH_VOICE_SIZES_H_

#include <cstdint>

#include "tests/services/ar_engine/model/random_checkpoint.h"

namespace shoal::bench {

// Of a transformer with as many KV heads as heads.
struct TransformerSize {
  int64_t dim, layers, heads, inner;
};

inline checkpoint::ModelConfig ConfigOf(const TransformerSize& slow, const TransformerSize& fast,
                                        int64_t codebooks, int64_t entries) {
  checkpoint::ModelConfig config = engine::SmallConfig();
  const auto set = [](const TransformerSize& size, checkpoint::TransformerConfig& transformer) {
    transformer.dim = size.dim;
    transformer.n_layer = size.layers;
    transformer.n_head = transformer.n_local_heads = size.heads;
    transformer.head_dim = size.dim / size.heads;
    transformer.intermediate_size = size.inner;
    transformer.max_seq_len = 4096;
  };
  set(slow, config.text);
  set(fast, config.audio);
  config.text_dim = slow.dim;
  config.text.vocab_size = 300 + entries;
  config.semantic_start = 300;
  config.semantic_end = 300 + entries - 1;
  config.audio.vocab_size = entries;
  config.num_codebooks = codebooks;
  return config;
}

// That of the default voice: about 7 M parameters.
inline checkpoint::ModelConfig DefaultVoice() {
  return ConfigOf({256, 6, 4, 768}, {192, 3, 3, 512}, 5, 512);
}

// About 180 M parameters: beyond what the caches of a processor hold.
inline checkpoint::ModelConfig MidSize() {
  return ConfigOf({1024, 12, 16, 3072}, {512, 4, 8, 1536}, 9, 1024);
}

}  // namespace shoal::bench

#endif  // SHOAL_TESTS_BENCH_VOICE_SIZES_H_
