#include "tests/services/ar_engine/model/mixed_turns.h"

#include <algorithm>
#include <random>

namespace shoal::engine {
namespace {

// Positions of text and frames in turn. Those below `common` depend on `group` alone.
TestSequence TurnOf(const checkpoint::ModelConfig& config, uint64_t group, int64_t common,
                    uint64_t own, int64_t length) {
  TestSequence sequence;
  std::mt19937_64 shared(group), random(own);
  for (int64_t i = 0; i < length; ++i) {
    std::mt19937_64& source = i < common ? shared : random;
    const auto below = [&](int64_t end) { return static_cast<int32_t>(source() % end); };
    const bool is_text = i % 3 == 0;
    const int32_t semantic = below(config.n_semantic());
    sequence.token_ids.push_back(is_text ? below(config.eos_token_id)
                                         : static_cast<int32_t>(config.semantic_start) + semantic);
    sequence.codes.push_back(is_text ? 0 : semantic);
    for (int64_t k = 1; k < config.num_codebooks; ++k) {
      const int32_t code = below(config.audio.vocab_size);
      sequence.codes.push_back(is_text ? 0 : code);
    }
  }
  sequence.sampling = MixedSampling(own);
  sequence.turn = static_cast<uint32_t>(own % 3);
  return sequence;
}

}  // namespace

SamplingParams MixedSampling(uint64_t which) {
  constexpr RasParams::Rule kRules[] = {RasParams::Rule::kOff, RasParams::Rule::kAuthors,
                                        RasParams::Rule::kWindow};
  constexpr float kTemperatures[] = {1.0f, 0.0f, 0.6f, 1.5f};
  constexpr float kTopP[] = {0.95f, 1.0f, 0.5f};
  constexpr int kTopK[] = {30, 0, 5, 1000};
  SamplingParams params;
  params.seed = 1000 + which;
  params.ras.rule = kRules[which % 3];
  params.ras.window = 2 + static_cast<int>(which % 7);
  params.ras.temperature = which % 4 < 2 ? 1.4f : 0.9f;
  params.ras.top_p = which % 2 == 0 ? 0.9f : 1.0f;
  params.temperature = kTemperatures[which % 4];
  params.top_p = kTopP[which / 2 % 3];
  params.top_k = kTopK[which / 3 % 4];
  params.repetition_penalty = which % 2 == 0 ? 1.0f : 1.3f;
  params.penalty_window = 1 + static_cast<int>(which % 12);
  params.residual_greedy = which % 4 == 3;
  params.filter_order = which % 2 == 0 ? FilterOrder::kTopKFirst : FilterOrder::kFullSoftmax;
  params.round_logits_to_bf16 = which % 5 == 0;
  return params;
}

std::vector<TestSequence> MixedTurns(const checkpoint::ModelConfig& config, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TestSequence> turns;
  for (uint64_t i = 0; i < 14; ++i) {
    const uint64_t group = i < 4 ? 7 : 8;
    const int64_t common = i < 4 ? 50 : i < 8 ? 90 : 0;
    const int64_t length = common + 1 + static_cast<int64_t>(random() % 39);
    turns.push_back(TurnOf(config, seed + group, common, 1000 * seed + i, length));
  }
  return turns;
}

}  // namespace shoal::engine
