#include "services/preprocess/front/sampling_defaults.h"

namespace shoal::preprocess {
namespace {

using checkpoint::GenerationConfig;
using tts::v1::RepetitionAwareSampling;
using tts::v1::SamplingConfig;

// Some 95 s at S2 Pro's frame rate, while a turn of the longest chunk_length lasts about a minute.
constexpr uint32_t kMaxFrames = 2048;

// With the numbers that were published with the rule.
RepetitionAwareSampling DocumentedRas(RepetitionAwareSampling::Rule rule) {
  const bool window_rule = rule == RepetitionAwareSampling::WINDOW;
  RepetitionAwareSampling ras;
  ras.set_rule(rule);
  ras.set_window(window_rule ? 4 : 10);
  ras.set_temperature(window_rule ? 1.5f : 1.0f);
  ras.set_top_p(window_rule ? 0.95f : 0.9f);
  return ras;
}

RepetitionAwareSampling::Rule ToRule(GenerationConfig::RepetitionAwareSampling::Rule rule) {
  switch (rule) {
    case GenerationConfig::RepetitionAwareSampling::Rule::kOff:
      return RepetitionAwareSampling::OFF;
    case GenerationConfig::RepetitionAwareSampling::Rule::kAuthors:
      return RepetitionAwareSampling::AUTHORS;
    case GenerationConfig::RepetitionAwareSampling::Rule::kWindow:
      return RepetitionAwareSampling::WINDOW;
  }
  return RepetitionAwareSampling::RULE_UNSPECIFIED;  // not reached: the parser knows three
}

RepetitionAwareSampling ToRas(const GenerationConfig::RepetitionAwareSampling& config) {
  RepetitionAwareSampling ras;
  if (config.rule) ras.set_rule(ToRule(*config.rule));
  if (config.window) ras.set_window(static_cast<uint32_t>(*config.window));
  if (config.temperature) ras.set_temperature(*config.temperature);
  if (config.top_p) ras.set_top_p(*config.top_p);
  return ras;
}

}  // namespace

SamplingConfig DocumentedSampling() {
  SamplingConfig sampling;
  sampling.set_temperature(0.8f);
  sampling.set_top_p(0.8f);
  sampling.set_top_k(30);
  sampling.set_repetition_penalty(1.1f);
  sampling.set_max_frames(kMaxFrames);
  sampling.set_residual_sampling(tts::v1::RESIDUAL_SAMPLED);
  *sampling.mutable_ras() = DocumentedRas(RepetitionAwareSampling::AUTHORS);
  sampling.set_filter_order(tts::v1::FILTER_TOP_K_FIRST);
  return sampling;
}

SamplingConfig ToSampling(const GenerationConfig& config) {
  SamplingConfig sampling;
  if (config.temperature) sampling.set_temperature(*config.temperature);
  if (config.top_p) sampling.set_top_p(*config.top_p);
  if (config.top_k) sampling.set_top_k(static_cast<uint32_t>(*config.top_k));
  if (config.repetition_penalty) sampling.set_repetition_penalty(*config.repetition_penalty);
  if (config.max_frames) sampling.set_max_frames(static_cast<uint32_t>(*config.max_frames));
  if (config.residual_sampling) {
    const bool greedy = *config.residual_sampling == GenerationConfig::ResidualSampling::kGreedy;
    sampling.set_residual_sampling(greedy ? tts::v1::RESIDUAL_GREEDY : tts::v1::RESIDUAL_SAMPLED);
  }
  if (config.filter_order) {
    const bool full = *config.filter_order == GenerationConfig::FilterOrder::kFullSoftmax;
    sampling.set_filter_order(full ? tts::v1::FILTER_FULL_SOFTMAX : tts::v1::FILTER_TOP_K_FIRST);
  }
  *sampling.mutable_ras() = ToRas(config.ras);
  return sampling;
}

SamplingConfig FillSampling(const SamplingConfig& asked, const SamplingConfig& defaults) {
  SamplingConfig filled = defaults;
  const RepetitionAwareSampling::Rule rule = asked.ras().rule();
  if (rule != RepetitionAwareSampling::RULE_UNSPECIFIED && rule != defaults.ras().rule()) {
    *filled.mutable_ras() = DocumentedRas(rule);
  }
  // Replaces what `asked` has set: optional fields that are there, choices that are not
  // UNSPECIFIED.
  filled.MergeFrom(asked);
  return filled;
}

}  // namespace shoal::preprocess
