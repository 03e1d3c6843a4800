// Both decoders on random checkpoints: against the plain reference model over the configurations a
// checkpoint may have, and bit-equality of deterministic mode.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "services/ar_engine/model/fast_ar.h"
#include "services/ar_engine/model/slow_ar.h"
#include "tests/reference_model/dual_ar.h"
#include "tests/services/ar_engine/model/random_checkpoint.h"
#include "tests/services/ar_engine/model/tensor_calls.h"

namespace shoal::engine {
namespace {

using model::ProductMode;

// A prompt of text and frames in turn.
struct RandomPrompt {
  RandomPrompt(const checkpoint::ModelConfig& config, int64_t n, uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](int64_t end) { return static_cast<int64_t>(random() % end); };
    for (int64_t i = 0; i < n; ++i) {
      std::vector<int64_t> frame(static_cast<size_t>(config.num_codebooks));
      for (int64_t& code : frame) code = below(config.audio.vocab_size);
      frame[0] = below(config.n_semantic());
      plain.token_ids.push_back(i % 3 == 0 ? below(config.eos_token_id)
                                           : config.semantic_start + frame[0]);
      plain.codes.push_back(frame);
    }
    codes = at::empty({n, config.num_codebooks}, at::TensorOptions(at::kInt));
    token_ids = at::tensor(plain.token_ids).to(at::kInt);
    for (int64_t i = 0; i < n; ++i) codes[i] = at::tensor(plain.codes[i]).to(at::kInt);
  }

  reference::Prompt plain;
  at::Tensor token_ids;  // (n) int32
  at::Tensor codes;      // (n, num_codebooks) int32
};

// A decoder pair loaded from a random checkpoint.
struct Decoders {
  Decoders(const RandomCheckpoint& files, ProductMode mode)
      : checkpoint(files.Open()),
        config(checkpoint.model_config()),
        slow(SlowAr::Load(checkpoint.weights(), config, mode)),
        fast(FastAr::Load(checkpoint.weights(), config, mode)) {}

  // Rows [from, from + n) of a prompt whose blocks start at `block`, as one pass.
  at::Tensor Hidden(const RandomPrompt& prompt, int64_t from, int64_t n, int64_t block,
                    KvCache& cache) const {
    const at::TensorOptions options(at::kInt);
    const RowTensors rows{at::arange(from, from + n, options), at::zeros({n}, options),
                          at::arange(block, block + BlocksFor(from + n), options).unsqueeze(0)};
    const at::Tensor x =
        Embed(*slow, prompt.token_ids.narrow(0, from, n), prompt.codes.narrow(0, from, n));
    return Pass(slow->transformer(), x).Forward(rows.places(), cache);
  }

  // Logits of all residual codebooks with the given codes: (num_codebooks - 1) of (n, entries)
  std::vector<at::Tensor> ResidualLogits(const at::Tensor& hidden, const at::Tensor& codes,
                                         FastFrames& frames) const {
    std::vector<at::Tensor> logits;
    for (int64_t k = 0; k + 1 < config.num_codebooks; ++k) {
      const at::Tensor column = codes.select(1, k).contiguous();
      logits.push_back(engine::ResidualLogits(*fast, k, hidden, Ints(column), frames));
    }
    return logits;
  }

  checkpoint::Checkpoint checkpoint;
  checkpoint::ModelConfig config;
  absl::StatusOr<SlowAr> slow;
  absl::StatusOr<FastAr> fast;
};

void ExpectNear(const at::Tensor& found, const std::vector<double>& expected, const char* what) {
  ASSERT_EQ(found.numel(), static_cast<int64_t>(expected.size())) << what;
  const at::Tensor plain = at::tensor(expected, at::TensorOptions(at::kDouble));
  EXPECT_TRUE(at::allclose(found.flatten().to(at::kDouble), plain, 1e-4, 2e-4))
      << what << ": largest difference " << (found.flatten() - plain).abs().max().item<double>();
}

void ExpectReference(const checkpoint::ModelConfig& config, const RandomWeights& weights) {
  const RandomCheckpoint files(config, weights);
  const Decoders decoders(files, ProductMode::kDeterministic);
  ASSERT_TRUE(decoders.slow.ok()) << decoders.slow.status();
  ASSERT_TRUE(decoders.fast.ok()) << decoders.fast.status();
  const reference::DualAr plain(files.directory());
  const int64_t n = 37;
  const RandomPrompt prompt(config, n, 5);
  KvCache cache(config.text, BlocksFor(n));
  const at::Tensor hidden = decoders.Hidden(prompt, 0, n, 0, cache);
  const at::Tensor wide = hidden.to(at::kDouble);
  const reference::Array expected = plain.Hidden(prompt.plain);
  ExpectNear(hidden, {expected.data.begin(), expected.data.end()}, "hidden");
  ExpectNear(Logits(*decoders.slow, hidden)[n - 1],
             plain.SemanticLogits(wide[n - 1].const_data_ptr<double>()), "semantic logits");
  FastFrames frames(config);
  const auto logits = decoders.ResidualLogits(hidden, prompt.codes, frames);
  for (size_t k = 1; k <= logits.size(); ++k) {
    for (const int64_t row : {int64_t{0}, n - 1}) {
      std::vector<int64_t> codes = prompt.plain.codes[row];
      codes.resize(k);
      ExpectNear(logits[k - 1][row],
                 plain.ResidualLogits(wide[row].const_data_ptr<double>(), codes),
                 "residual logits");
    }
  }
}

TEST(DualArTest, SmallModelIsTheReference) {
  ExpectReference(SmallConfig(), {});
  ExpectReference(SmallConfig(), {.seed = 2, .bf16 = false});
}

TEST(DualArTest, QkNormOfEitherDecoderIsTheReference) {
  for (const bool slow : {false, true}) {
    for (const bool fast : {false, true}) {
      checkpoint::ModelConfig config = SmallConfig();
      config.text.attention_qk_norm = slow;
      config.audio.attention_qk_norm = fast;
      ExpectReference(config, {});
    }
  }
}

TEST(DualArTest, BiasesOfEitherDecoderAreTheReference) {
  for (const bool qkv : {false, true}) {
    checkpoint::ModelConfig config = SmallConfig();
    config.text.attention_qkv_bias = config.audio.attention_o_bias = qkv;
    config.audio.attention_qkv_bias = config.text.attention_o_bias = !qkv;
    ExpectReference(config, {});
  }
}

TEST(DualArTest, UntiedHeadOfEitherNameIsTheReference) {
  checkpoint::ModelConfig config = SmallConfig();
  config.text.tie_word_embeddings = false;
  ExpectReference(config, {.seed = 3});
  ExpectReference(config, {.seed = 3, .other_head_name = true});
}

TEST(DualArTest, EqualWidthsNeedNoProjection) {
  checkpoint::ModelConfig config = SmallConfig();
  config.audio.dim = config.text.dim;
  ExpectReference(config, {});
}

TEST(DualArTest, MoreCodebooksThanABlockHasPositionsAreTheReference) {
  checkpoint::ModelConfig config = SmallConfig();
  config.num_codebooks = 19;
  ExpectReference(config, {});
}

TEST(DualArTest, TwoCodebooksAreOnePass) {
  checkpoint::ModelConfig config = SmallConfig();
  config.num_codebooks = 2;
  ExpectReference(config, {});
}

TEST(DualArTest, MissingTensorIsNamed) {
  const RandomCheckpoint files(SmallConfig());
  const checkpoint::Checkpoint opened = files.Open();
  checkpoint::ModelConfig config = opened.model_config();
  config.text.n_layer = 3;
  EXPECT_NE(SlowAr::Load(opened.weights(), config, ProductMode::kFast)
                .status()
                .ToString()
                .find("text_model.model.layers.2.attention_norm.weight"),
            std::string::npos);
  config.audio.attention_qkv_bias = true;
  EXPECT_NE(FastAr::Load(opened.weights(), config, ProductMode::kFast)
                .status()
                .ToString()
                .find("audio_decoder.layers.0.attention.wqkv.bias"),
            std::string::npos);
}

// On models of many sizes. Bits, not codes: a draw seldom tells a difference in the last place.
class DeterministicTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  const RandomCheckpoint files_{RandomConfig(GetParam()), {.seed = 7, .bf16 = GetParam() % 2 == 0}};
  const Decoders decoders_{files_, ProductMode::kDeterministic};
};

TEST_P(DeterministicTest, ChunkedPrefillAndDecodeAreBitEqualToWhole) {
  const int64_t n = 70;
  const RandomPrompt prompt(decoders_.config, n, 9);
  KvCache whole_cache(decoders_.config.text, BlocksFor(n));
  const at::Tensor whole = decoders_.Hidden(prompt, 0, n, 0, whole_cache);
  for (const int64_t chunk : {1, 5, 16, 33}) {
    KvCache cache(decoders_.config.text, BlocksFor(n));
    for (int64_t from = 0; from < n; from += chunk) {
      const int64_t length = std::min(chunk, n - from);
      EXPECT_TRUE(at::equal(decoders_.Hidden(prompt, from, length, 0, cache),
                            whole.narrow(0, from, length)))
          << "chunk " << chunk << " at " << from;
    }
    for (int64_t i = 0; i < decoders_.config.text.n_layer; ++i) {
      EXPECT_TRUE(at::equal(cache.layer(i), whole_cache.layer(i))) << "chunk " << chunk;
    }
  }
}

TEST_P(DeterministicTest, BatchIsBitEqualToItsSequencesAlone) {
  const std::vector<int64_t> lengths = {1, 40, 17, 16, 64};
  const at::TensorOptions options(at::kInt);
  std::vector<RandomPrompt> prompts;
  std::vector<at::Tensor> alone, tokens, codes, positions, sequences;
  RowTensors rows;
  rows.block_tables = at::arange(5 * 4, options).view({5, 4});
  for (size_t i = 0; i < lengths.size(); ++i) {
    const int64_t n = lengths[i];
    prompts.emplace_back(decoders_.config, n, 20 + i);
    KvCache cache(decoders_.config.text, 4);
    alone.push_back(decoders_.Hidden(prompts[i], 0, n, 0, cache));
    tokens.push_back(prompts[i].token_ids);
    codes.push_back(prompts[i].codes);
    positions.push_back(at::arange(n, options));
    sequences.push_back(at::full({n}, static_cast<int64_t>(i), options));
  }
  at::manual_seed(4);
  const at::Tensor order = at::randperm(at::cat(tokens).size(0));
  const auto permuted = [&](const std::vector<at::Tensor>& parts) {
    return at::cat(parts).index_select(0, order);
  };
  rows.position = permuted(positions);
  rows.sequence = permuted(sequences);
  KvCache cache(decoders_.config.text, 20);
  const Transformer& transformer = decoders_.slow->transformer();
  const at::Tensor x = Embed(*decoders_.slow, permuted(tokens), permuted(codes));
  const at::Tensor together = Pass(transformer, x).Forward(rows.places(), cache);
  EXPECT_TRUE(at::equal(together, permuted(alone)));
  const at::Tensor wanted = at::tensor({3, 20, 77}, at::TensorOptions(at::kInt));
  EXPECT_TRUE(at::equal(Pass(transformer, x).Forward(rows.places(), Ints(wanted), cache),
                        together.index_select(0, wanted)));
  EXPECT_TRUE(at::equal(Logits(*decoders_.slow, together).narrow(0, 3, 1),
                        Logits(*decoders_.slow, together.narrow(0, 3, 1))));
}

TEST_P(DeterministicTest, FramesOfABatchAreBitEqualToFramesAlone) {
  const int64_t n = 11;
  const RandomPrompt prompt(decoders_.config, n, 30);
  KvCache cache(decoders_.config.text, 1);
  const at::Tensor hidden = decoders_.Hidden(prompt, 0, n, 0, cache);
  FastFrames frames(decoders_.config);
  const auto alone_first =
      decoders_.ResidualLogits(hidden.narrow(0, 0, 1), prompt.codes.narrow(0, 0, 1), frames);
  const auto together = decoders_.ResidualLogits(hidden, prompt.codes, frames);
  for (int64_t row = 0; row < n; ++row) {
    const auto alone =
        decoders_.ResidualLogits(hidden.narrow(0, row, 1), prompt.codes.narrow(0, row, 1), frames);
    for (size_t k = 0; k < alone.size(); ++k) {
      EXPECT_TRUE(at::equal(alone[k], together[k].narrow(0, row, 1))) << row << ", " << k;
      if (row == 0) {
        EXPECT_TRUE(at::equal(alone[k], alone_first[k])) << k;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DeterministicTest, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace shoal::engine
