#include "tests/system/expected_speech.h"

#include <cstring>
#include <map>
#include <stdexcept>

#include "common/checkpoint/generation_config.h"
#include "services/preprocess/text/prompt.h"
#include "services/preprocess/text/text_splitter.h"
#include "services/preprocess/text/tokenizer.h"
#include "tests/reference_model/codec.h"
#include "tests/reference_model/dual_ar.h"
#include "tests/reference_model/sampling.h"

namespace shoal::testing {
namespace {

using checkpoint::GenerationConfig;
using reference::ValueOrThrow;
using Codes = std::vector<std::vector<int64_t>>;  // [frame][codebook]
using tts::v1::RepetitionAwareSampling;

engine::RasParams DocumentedRas(engine::RasParams::Rule rule) {
  using Rule = engine::RasParams::Rule;
  if (rule == Rule::kWindow) return {Rule::kWindow, 4, 1.5f, 0.95f};
  return {rule, 10, 1.0f, 0.9f};
}

engine::RasParams ResolveRas(const RepetitionAwareSampling& config,
                             const GenerationConfig::RepetitionAwareSampling& own) {
  using Rule = engine::RasParams::Rule;
  using OwnRule = GenerationConfig::RepetitionAwareSampling::Rule;
  const std::map<OwnRule, Rule> own_rules = {{OwnRule::kOff, Rule::kOff},
                                             {OwnRule::kAuthors, Rule::kAuthors},
                                             {OwnRule::kWindow, Rule::kWindow}};
  const std::map<RepetitionAwareSampling::Rule, Rule> rules = {
      {RepetitionAwareSampling::OFF, Rule::kOff},
      {RepetitionAwareSampling::AUTHORS, Rule::kAuthors},
      {RepetitionAwareSampling::WINDOW, Rule::kWindow}};
  const Rule own_rule = own_rules.at(own.rule.value_or(OwnRule::kAuthors));
  const auto asked = rules.find(config.rule());
  engine::RasParams ras = DocumentedRas(asked == rules.end() ? own_rule : asked->second);
  if (ras.rule == own_rule) {
    ras.window = static_cast<decltype(ras.window)>(own.window.value_or(ras.window));
    ras.temperature = own.temperature.value_or(ras.temperature);
    ras.top_p = own.top_p.value_or(ras.top_p);
  }
  if (config.has_window()) ras.window = static_cast<decltype(ras.window)>(config.window());
  if (config.has_temperature()) ras.temperature = config.temperature();
  if (config.has_top_p()) ras.top_p = config.top_p();
  return ras;
}

// Where the config leaves something open: what the checkpoint says, else the documented defaults of
// tts.proto.
engine::SamplingParams Resolve(const tts::v1::SamplingConfig& config, const GenerationConfig& own) {
  using Residuals = GenerationConfig::ResidualSampling;
  using Order = GenerationConfig::FilterOrder;
  engine::SamplingParams params;
  params.temperature =
      config.has_temperature() ? config.temperature() : own.temperature.value_or(0.8f);
  params.top_p = config.has_top_p() ? config.top_p() : own.top_p.value_or(0.8f);
  params.top_k = config.has_top_k() ? config.top_k() : own.top_k.value_or(30);
  params.repetition_penalty = config.has_repetition_penalty()
                                  ? config.repetition_penalty()
                                  : own.repetition_penalty.value_or(1.1f);
  params.penalty_window = 16;
  params.seed = config.seed();
  const bool own_greedy = own.residual_sampling.value_or(Residuals::kSampled) == Residuals::kGreedy;
  params.residual_greedy = config.residual_sampling() == tts::v1::RESIDUAL_SAMPLING_UNSPECIFIED
                               ? own_greedy
                               : config.residual_sampling() == tts::v1::RESIDUAL_GREEDY;
  const bool own_full = own.filter_order.value_or(Order::kTopKFirst) == Order::kFullSoftmax;
  const bool full = config.filter_order() == tts::v1::FILTER_ORDER_UNSPECIFIED
                        ? own_full
                        : config.filter_order() == tts::v1::FILTER_FULL_SOFTMAX;
  params.filter_order = full ? engine::FilterOrder::kFullSoftmax : engine::FilterOrder::kTopKFirst;
  params.ras = ResolveRas(config.ras(), own.ras);
  return params;
}

// The samples of a 16 bit mono WAV file with a 44 byte header.
std::vector<float> WavSamples(const std::string& wav) {
  std::vector<float> samples;
  for (size_t at = 44; at + 1 < wav.size(); at += 2) {
    int16_t value;
    std::memcpy(&value, wav.data() + at, sizeof value);
    samples.push_back(value / 32768.0f);
  }
  return samples;
}

// codes[frame][codebook] -> (num_codebooks, frames) row-major.
std::vector<int32_t> ByCodebook(const Codes& codes, int64_t num_codebooks) {
  std::vector<int32_t> values;
  for (int64_t k = 0; k < num_codebooks; ++k) {
    for (const auto& frame : codes) values.push_back(static_cast<int32_t>(frame[k]));
  }
  return values;
}

reference::Prompt ToReference(const preprocess::Prompt& prompt, int64_t num_codebooks) {
  reference::Prompt plain;
  const int64_t length = prompt.length();
  for (int64_t n = 0; n < length; ++n) {
    plain.token_ids.push_back(prompt.token_ids[n]);
    plain.codes.emplace_back();
    for (int64_t k = 0; k < num_codebooks; ++k) {
      plain.codes.back().push_back(prompt.codes[k * length + n]);
    }
  }
  return plain;
}

std::vector<std::string> Turns(const std::string& text, int64_t chunk_length) {
  auto splitter = ValueOrThrow(preprocess::TextSplitter::Create(chunk_length));
  std::vector<std::string> turns = ValueOrThrow(splitter.Append(text));
  for (std::string& turn : ValueOrThrow(splitter.Finish())) turns.push_back(std::move(turn));
  return turns;
}

}  // namespace

ExpectedSpeech ExpectSpeech(const std::string& checkpoint, const tts::v1::SynthesisConfig& config,
                            const std::string& text) {
  const reference::DualAr model(checkpoint);
  const reference::Codec codec(checkpoint);
  const auto& sizes = model.config();
  const auto tokenizer = ValueOrThrow(preprocess::Tokenizer::Load(checkpoint + "/tokenizer.json"));
  const auto builder = ValueOrThrow(
      preprocess::PromptBuilder::Create(&tokenizer, {.semantic_start = sizes.semantic_start,
                                                     .semantic_end = sizes.semantic_end,
                                                     .num_codebooks = sizes.num_codebooks,
                                                     .codebook_entries = sizes.audio.vocab_size}));

  std::vector<std::vector<int32_t>> voice_codes;  // kept alive for the views
  std::vector<preprocess::Reference> references;
  for (const auto& recording : config.references()) {
    const Codes codes = codec.Encode(WavSamples(recording.audio()));
    voice_codes.push_back(ByCodebook(codes, sizes.num_codebooks));
    references.push_back({.transcript = recording.transcript(),
                          .codes = {.values = {}, .frames = static_cast<int64_t>(codes.size())}});
  }
  for (size_t i = 0; i < references.size(); ++i) references[i].codes.values = voice_codes[i];

  const engine::SamplingParams params =
      Resolve(config.sampling(), ValueOrThrow(checkpoint::LoadGenerationConfig(checkpoint)));
  const auto turns = Turns(text, config.chunk_length() == 0 ? 200 : config.chunk_length());
  std::vector<std::vector<int32_t>> spoken_codes;
  Codes all;
  ExpectedSpeech expected;
  for (size_t turn = 0; turn < turns.size(); ++turn) {
    std::vector<preprocess::SpokenTurn> history;
    for (size_t i = 0; i < turn; ++i) {
      history.push_back(
          {.text = turns[i], .codes = {.values = spoken_codes[i], .frames = expected.frames[i]}});
    }
    const auto prompt = ValueOrThrow(builder.Build(references, history, turns[turn]));
    const Codes frames =
        model.Generate(ToReference(prompt, sizes.num_codebooks), config.sampling().max_frames(),
                       reference::Sampler(params, turn));
    expected.frames.push_back(frames.size());
    spoken_codes.push_back(ByCodebook(frames, sizes.num_codebooks));
    all.insert(all.end(), frames.begin(), frames.end());
  }
  if (!all.empty()) expected.samples = codec.Decode(all);
  return expected;
}

}  // namespace shoal::testing
